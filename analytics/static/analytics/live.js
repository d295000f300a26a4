// Keeps the figures of a tenant's page up to date. The page is complete without it.
"use strict";

const list = document.querySelector("[data-socket]");
const state = document.querySelector("[data-state]");
let attempts = 0;

function show(figures) {
  for (const figure of figures) {
    const number = list.querySelector(`[data-figure="${CSS.escape(figure.name)}"]`);
    const hint = list.querySelector(`[data-hint="${CSS.escape(figure.name)}"]`);
    if (number && number.textContent !== figure.text) {
      number.textContent = figure.text;
    }
    if (hint) {
      hint.textContent = figure.hint;
    }
  }
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${list.dataset.socket}`);
  socket.onopen = () => {
    attempts = 0;
    state.textContent = "Live";
    state.classList.add("live");
  };
  socket.onmessage = (event) => show(JSON.parse(event.data).figures);
  socket.onclose = (event) => {
    state.classList.remove("live");
    if (event.code === 4404) {
      state.textContent = "Signed out or no longer a member";
      return;
    }
    state.textContent = "Not live, reconnecting";
    // Spread out, so that a restart is not met by every page at once.
    const most = Math.min(30000, 1000 * 2 ** attempts);
    attempts += 1;
    setTimeout(connect, most * (0.5 + Math.random() / 2));
  };
}

if (list && state) {
  connect();
}
