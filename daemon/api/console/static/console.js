"use strict";
// On the page of the link: what is behind # opens a session. It is taken out of the address first.
const login = document.getElementById("login");

function enter() {
  if (location.hash.length < 2) return;
  login.elements.token.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  login.submit();
}

if (login) {
  enter();
  addEventListener("hashchange", enter); // the link was opened where this page is shown already
}
// On the overview: after each event of the stream, what has changed is written again.
const AGAIN_MS = 5000;
const live = document.getElementById("live");
const stale = document.getElementById("stale");

async function refresh() {
  try {
    const answer = await fetch("parts", { redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      location.reload(); // the session has ended
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    write(await answer.text());
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
}

function write(text) {
  const template = document.createElement("template");
  template.innerHTML = text;
  const fresh = [...template.content.children];
  const shown = [...live.children];
  const held = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  if (fresh.length !== shown.length) {
    live.replaceChildren(...fresh);
  } else {
    fresh.forEach((part, i) => replace(shown[i], part));
  }
  if (held && !live.contains(document.activeElement)) {
    live.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus(); // the keyboard's place
  }
}

// What has not changed stays, with its scroll position and what is selected; a notice stays the element that is read out.
function replace(shown, part) {
  if (part.isEqualNode(shown)) return;
  if (part.matches("[role=status]")) shown.textContent = part.textContent;
  else shown.replaceWith(part);
}

function listen() {
  const stream = new EventSource("live");
  stream.onmessage = refresh;
  stream.onerror = () => {
    stale.hidden = false;
    if (stream.readyState === EventSource.CLOSED) { // refused: the browser itself does not try again
      setTimeout(() => {
        refresh();
        listen();
      }, AGAIN_MS);
    }
  };
}

if (live) listen();
