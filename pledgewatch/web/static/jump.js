// n and p go to the next and the previous change; the links on the page do the same without this. Only where a change
// has the focus: whoever speaks to the machine types letters without meaning to.
"use strict";
document.addEventListener("keydown", (pressed) => {
  const step = { n: 1, p: -1 }[pressed.key];
  const changes = [...document.querySelectorAll(".change")];
  const here = changes.indexOf(pressed.target.closest(".change"));
  const next = changes[here + step];
  if (here < 0 || !next || pressed.ctrlKey || pressed.altKey || pressed.metaKey) return;
  location.hash = next.id;
  next.focus({ preventScroll: true });
});
