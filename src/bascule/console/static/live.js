// Keeps the page fresh: one stream of fragments, put in place without disturbing what the reader has open.
import { morph } from "./morph.js";
import { refreshCharts, redrawCharts, setWindow } from "./charts.js";

const SILENT = 5000; // ms without news from which the page calls itself frozen
const HOPELESS = 15000; // ms after which a stream that says nothing is opened anew
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const home = document.body.dataset.timezone;
const $ = (id) => document.getElementById(id);
let stream;
let heard = Date.now();
let ahead = 0; // ms by which this machine's clock is ahead of the server's

// ------------------------------------------------------------ times

const clockIn = (timeZone, more = {}) => new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", second: "2-digit", ...more });
const local = clockIn(zone);
const localDay = clockIn(zone, { day: "numeric", month: "short" });
const utc = clockIn("UTC", { day: "numeric", month: "short" });
const there = clockIn(home, { day: "numeric", month: "short" });
const serverNow = () => Date.now() - ahead;

function span(ms) {
  let left = Math.max(0, Math.round(ms / 1000));
  const parts = [];
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const whole = Math.floor(left / size);
    left -= whole * size;
    if (whole || parts.length) parts.push(whole ? `${whole}\u202f${name}` : "");
  }
  return parts.slice(0, 2).filter(Boolean).join(" ") || "0\u202fs";
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function tellTimes() {
  const now = serverNow();
  for (const node of document.querySelectorAll("time[datetime]")) {
    const at = Date.parse(node.dateTime);
    const style = node.dataset.show;
    if (style === "ago") say(node, `${span(now - at)} ago`);
    else if (style === "since") say(node, span(now - at));
    else say(node, Math.abs(now - at) < 43200000 ? local.format(at) : localDay.format(at));
    node.title = `${utc.format(at)} UTC · ${there.format(at)} ${home}`;
  }
  const clock = $("clock");
  const parts = [`${local.format(now)} ${zone}`];
  if (home !== zone) parts.push(`${clockIn(home).format(now)} ${home}`);
  if (zone !== "UTC") parts.push(`${clockIn("UTC").format(now)} UTC`);
  say(clock, parts.join(" · "));
  say($("zone"), zone);
}

// ------------------------------------------------------------ the stream

function open() {
  stream?.close();
  stream = new EventSource("/stream");
  stream.addEventListener("frame", (message) => {
    heard = Date.now();
    const frame = JSON.parse(message.data);
    ahead = Date.now() - Date.parse(frame.at);
    for (const [id, html] of Object.entries(frame.fragments)) morph($(id), html);
    follow();
    tellTimes();
    tellLife();
  });
}

function follow() {
  const verdict = $("verdict").dataset.verdict;
  const root = document.documentElement;
  if (root.dataset.verdict === verdict) return;
  root.dataset.verdict = verdict;
  $("favicon").href = `/static/favicon-${verdict}.svg`;
  document.title = `${$("verdict").querySelector("strong").textContent} · ${document.title.split(" · ").slice(1).join(" · ")}`;
}

function tellLife() {
  const silence = Date.now() - heard;
  const frozen = silence > SILENT;
  document.body.classList.toggle("is-frozen", frozen);
  $("live").dataset.live = frozen ? "no" : "yes";
  say($("live-text"), frozen ? "frozen" : "live");
  $("frozen").hidden = !frozen;
  if (frozen) say($("frozen"), `This page has heard nothing from Bascule since ${local.format(heard - ahead)}: what stands below is old. Check the console and your connection.`);
  if (silence > HOPELESS && silence % HOPELESS < 1000) open();
}

// ------------------------------------------------------------ what the reader does

const themes = ["auto", "light", "dark"];
const called = { auto: "as the system", light: "light", dark: "dark" };

function showTheme() {
  const theme = document.documentElement.dataset.theme;
  const text = `Colours: ${called[theme]}`;
  $("theme").title = text;
  $("theme").setAttribute("aria-label", text);
}

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
  localStorage.setItem("bascule.theme", root.dataset.theme);
  showTheme();
  redrawCharts();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);

async function unfold(button) {
  const row = document.getElementById(button.getAttribute("aria-controls"));
  const opens = row.hidden;
  row.hidden = !opens;
  button.setAttribute("aria-expanded", String(opens));
  if (opens) await fill(row, button);
}

async function fill(row, button) {
  const { signal, segment } = button.dataset;
  const answer = await fetch(`/detail?${new URLSearchParams({ signal, segment })}`);
  if (!answer.ok) return;
  const cell = row.firstElementChild;
  const html = await answer.text();
  if (cell.firstElementChild) morph(cell.firstElementChild, html);
  else cell.append(morph.parse(html));
  tellTimes();
  refreshCharts();
}

document.addEventListener("click", (event) => {
  const more = event.target.closest(".more");
  if (more) unfold(more);
  const chosen = event.target.closest("[data-window]");
  if (chosen) choose(chosen.dataset.window);
});

function choose(name) {
  for (const button of document.querySelectorAll("[data-window]")) button.setAttribute("aria-pressed", String(button.dataset.window === name));
  localStorage.setItem("bascule.window", name);
  setWindow(name);
}

function refreshOpen() {
  for (const button of document.querySelectorAll('.more[aria-expanded="true"]')) fill(document.getElementById(button.getAttribute("aria-controls")), button);
  refreshCharts();
}

const kept = localStorage.getItem("bascule.window");
if (kept && document.querySelector(`[data-window="${CSS.escape(kept)}"]`)) choose(kept);
showTheme();
tellTimes();
open();
refreshCharts();
setInterval(() => { tellTimes(); tellLife(); }, 1000);
setInterval(() => { if (!document.hidden) refreshOpen(); }, 3000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshOpen(); });
