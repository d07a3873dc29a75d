// The values of a plot are titles of its parts, which browsers show slowly. Show them at once instead.
"use strict";
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll("rect.hover > title")) {
  title.parentNode.dataset.words = title.textContent;
  title.remove();
}
function show(event) {
  const words = event.target.dataset?.words;
  tip.hidden = !words;
  if (!words) return;
  tip.textContent = words;
  const left = event.clientX + 14, width = tip.offsetWidth;
  tip.style.left = `${Math.max(4, left + width > innerWidth ? event.clientX - width - 14 : left)}px`;
  tip.style.top = `${Math.max(4, event.clientY - tip.offsetHeight - 10)}px`;
}
addEventListener("pointermove", show);
addEventListener("pointerdown", show);
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
