// The wall: one slide at a time, by timer or key; everything else is the live page's own.
import "./live.js";
import { refreshCharts } from "./charts.js";

const slides = [...document.querySelectorAll(".slide")];
const asked = Number(document.body.dataset.every);
let shown = Math.max(0, slides.findIndex((slide) => `#${slide.dataset.slide}` === location.hash));
let turns = asked > 0;
let next = Date.now() + asked * 1000;

function show(number) {
  shown = (number + slides.length) % slides.length;
  slides.forEach((slide, place) => { slide.hidden = place !== shown; });
  history.replaceState(null, "", `#${slides[shown].dataset.slide}`);
  next = Date.now() + asked * 1000;
  document.getElementById("turning").textContent = `${shown + 1}/${slides.length}${turns ? "" : " stopped"}`;
  refreshCharts();
}

addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") show(shown + 1);
  else if (event.key === "ArrowLeft") show(shown - 1);
  else if (event.key === " ") { turns = !turns; show(shown); event.preventDefault(); }
  else if (event.key === "f") document.documentElement.requestFullscreen();
  else if (event.key === "Escape" && !document.fullscreenElement) location.assign("/");
});
setInterval(() => { if (turns && Date.now() >= next) show(shown + 1); }, 500);
show(shown);
