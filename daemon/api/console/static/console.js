"use strict";
// On the page of the link: what is behind # opens a session. It is taken out of the address first.
const login = document.getElementById("login");
if (login && location.hash.length > 1) {
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  fetch(location.pathname, { method: "POST", body: new URLSearchParams({ token }) }).then(async (answer) => {
    if (answer.ok) {
      location.replace(login.dataset.to);
      return;
    }
    const refused = document.getElementById("refused");
    refused.textContent = await answer.text();
    refused.hidden = false;
  });
}
// On the overview: after each event of the stream the part that changes is written again.
const live = document.getElementById("live");
if (live) {
  const stale = document.getElementById("stale");
  const stream = new EventSource("live");
  stream.onmessage = async () => {
    try {
      const answer = await fetch("parts", { redirect: "manual" });
      if (answer.type === "opaqueredirect") {
        location.reload();
        return;
      }
      if (!answer.ok) throw new Error(answer.statusText);
      const text = await answer.text();
      const held = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      live.innerHTML = text;
      if (held) live.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus(); // the keyboard's place
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  };
  stream.onerror = () => {
    stale.hidden = false;
  };
}
