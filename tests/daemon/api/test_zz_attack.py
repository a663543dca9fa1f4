import http.client, socket, json
from tests.daemon.api.test_console import *  # noqa

def raw(address, data: bytes, t=3.0) -> bytes:
    h, _, p = address.rpartition(":")
    s = socket.create_connection((h, int(p))); s.settimeout(t); s.sendall(data); out=b""
    try:
        while d := s.recv(65536): out += d
    except (TimeoutError, socket.timeout, ConnectionResetError): pass
    return out

def test_attack(gateway, address, browser, modem, request_id):
    browser.enter(); c = browser.cookie
    port = address.rpartition(":")[2]
    def get(path, host=address, method="GET", extra="", cookie=c, body=""):
        n = f"Content-Length: {len(body)}\r\n" if body or method in ("POST","PUT") else ""
        out = raw(address, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{n}{extra}Connection: close\r\n\r\n{body}".encode("latin-1"))
        print(method, path[:50], repr(host[:40]), repr(extra[:50]), "->", out[:out.find(b"\r\n")], len(out), out[-120:] if b" 50" in out[:20] else b"")
        return out
    for host in ("LOCALHOST:"+port, "localhost.:"+port, "user@localhost:"+port, "localhost:0", "localhost:"+"9"*5000, "localhost:", "[::1]:"+port, "[::ffff:127.0.0.1]:"+port, "127.1:"+port, "2130706433:"+port, "127.0.0.1:0"+port, "localhost:\u0661", "localhost:"+port+" ", "localhost:"+port+", evil"):
        get("/console/", host)
    raw2 = raw(address, f"GET /console/ HTTP/1.1\r\nHost: {address}\r\nHost: evil\r\nCookie: {c}\r\nConnection: close\r\n\r\n".encode()); print("two hosts", raw2[:30])
    raw2 = raw(address, f"GET http://evil/console/ HTTP/1.1\r\nHost: {address}\r\nCookie: {c}\r\nConnection: close\r\n\r\n".encode()); print("abs uri", raw2[:30])
    for m in ("HEAD","OPTIONS","PUT","DELETE","TRACE","PATCH"):
        get("/console/", method=m); get("/console/live", method=m) if m!="HEAD" else None
    get("/console/live", method="HEAD")
    get("/console"); get("/console//"); get("/console/static/../console.css"); get("/console/static/..%2fgate.py"); get("/console/static/%2e%2e"); get("/console/requests/%00"); get("/console/requests/"+"a"*5000); get("/console/requests/%ff%fe"); get("/console/requests/<script>"); get("/console/requests/a%0d%0aSet-Cookie:x"); get("/console/requests/%ED%A0%80")
    get("/console/requests?active=%00&"+"a=1&"*300)
    for ck in (c+"; "+c, "x=\xff; "+c, "pinwheel=\"\\303\\251\"", "pinwheel="+"a"*7000, ";;;=", "pinwheel", c.replace("=", " = "), "$Version=1; "+c, "pinwheel=bad; "+c, "[]="+c+"; "+c):
        get("/console/", cookie=ck)
    for body, ct in (('token=' + 'a'*70000, FORM["Content-Type"]), ('{"token": "\\ud800"}', "application/json"), ('token=%ED%A0%80', FORM["Content-Type"]), ('token=%ff', FORM["Content-Type"]), ('{"token": ["a", 3]}', "application/json"), ('['*60000, "application/json"), ('x', "multipart/form-data; boundary=x"), ("&".join(f"a{i}=1" for i in range(5000)), FORM["Content-Type"]), ('token=\u00e9', FORM["Content-Type"])):
        get("/console/login", method="POST", extra=f"Content-Type: {ct}\r\n", body=body)
        get("/console/test/sms", method="POST", extra=f"Content-Type: {ct}\r\n", body=body)
        get("/console/test/call", method="POST", extra=f"Content-Type: {ct}\r\n", body=body)
    for form in ("modem=sim1", "modem=nope&to=447700900123", "modem=sim1&to=abc<b>", "modem=%3Cb%3E&to=447700900123", "modem=sim1&to=%2B447700900123%0a", "to=1&modem=sim1"):
        get("/console/test/sms", method="POST", extra="Content-Type: application/x-www-form-urlencoded\r\n", body=form)
        page = browser.ask("GET", "/console/")[1]
        i = page.find('class="notice"'); print("   notice:", page[i:i+200].split("</p>")[0])
    for form in ("number=", "number=abc", "number=447700900999999999", "number=+1900555", "number=447700900123&lg=xx"):
        get("/console/test/call", method="POST", extra="Content-Type: application/x-www-form-urlencoded\r\n", body=form)
        page = browser.ask("GET", "/console/")[1]
        i = page.find('class="notice"'); print("   notice:", page[i:i+200].split("</p>")[0])
    # many logins
    for _ in range(40): gateway.client.post("/v1/console/link")
    for _ in range(20):
        b = Browser(gateway, address); b.enter()
    print("old session", get("/console/", cookie=c)[:20])
    # api with fetch metadata
    for site in ("same-origin","none","same-site","cross-site",""):
        get("/verify/json?number=1&brand=x&api_key=acme&api_secret=y", extra=f"Sec-Fetch-Site: {site}\r\n" if site else "", method="GET")
    get("/verify/json?number=1", host="gateway.example:"+port, extra="Origin: https://gateway.example:"+port+"\r\n")
    get("/verify/json?number=1", host="Gateway.example:"+port, extra="Origin: https://gateway.example:"+port+"\r\n")
    get("/verify/json?number=1", host="gateway.example:443", extra="Origin: https://gateway.example\r\n")
    log = "".join(gateway.log()) if callable(getattr(gateway, "log", None)) else ""
    print([l for l in log.splitlines() if "Traceback" in l or "Error" in l][:10])
    assert 0
