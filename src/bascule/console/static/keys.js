// Keys that work on every page; `?` lists them. Typing in a field is never taken for one.

const keys = document.getElementById("keys");
const sound = document.getElementById("sound");
const links = [...keys.querySelectorAll("a")];

function isTyping(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]");
}

addEventListener("keydown", (event) => {
  if (isTyping(event) || document.querySelector("dialog[open]")) return;
  const place = Number(event.key);
  if (event.key === "?") keys.showModal();
  else if (place >= 1 && place <= links.length) links[place - 1].click();
  else if (event.key === "/") search(event);
  else if (event.key === "t") document.getElementById("technical")?.click();
  else if (event.key === "c") document.getElementById("theme").click();
});
document.getElementById("help")?.addEventListener("click", () => keys.showModal());

function search(event) {
  event.preventDefault();
  const field = document.querySelector("#search [name=text]");
  if (field) field.focus();
  else location.assign("/logs#text");
}
if (location.hash === "#text") document.querySelector("#search [name=text]")?.focus();

sound.checked = localStorage.getItem("bascule.sound") === "yes";
sound.addEventListener("change", () => {
  localStorage.setItem("bascule.sound", sound.checked ? "yes" : "");
  if (sound.checked) alarm();
});

// Two tones, where the reader has asked for them.
export function alarm() {
  if (localStorage.getItem("bascule.sound") !== "yes") return;
  const audio = new AudioContext();
  for (const [start, pitch] of [[0, 880], [0.25, 660]]) {
    const tone = audio.createOscillator();
    tone.frequency.value = pitch;
    tone.connect(audio.destination);
    tone.start(audio.currentTime + start);
    tone.stop(audio.currentTime + start + 0.2);
  }
}
