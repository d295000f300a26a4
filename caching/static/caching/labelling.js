// Presses the button whose key is pressed. The page works without it.
"use strict";

(() => {
  let pressed = false;

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, [contenteditable]");
    if (typing || pressed || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const buttons = [...document.querySelectorAll("button[data-key]")];
    const button = buttons.find((each) => each.dataset.key.split(" ").includes(event.key));
    if (!button) return;
    event.preventDefault();
    pressed = true;
    button.click();
  });

  // A page that the browser shows again from its memory takes keys again.
  window.addEventListener("pageshow", () => {
    pressed = false;
  });
})();
