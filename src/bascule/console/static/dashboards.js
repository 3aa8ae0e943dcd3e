// A dashboard: its panels are asked for repeatedly; charts are drawn here, all else is the server's HTML.
import "./keys.js";
import { ink, linesLink, mark, shade, timeLabel, tip } from "./charts.js";
import { morph } from "./morph.js";
import { chooseTheme } from "./themes.js";
import { local, say, tellTimes } from "./times.js";

const SILENT = 30000; // ms without an answer from which the page calls itself frozen
const held = new Map(); // element -> { plot, course, shape }
const main = document.getElementById("main");
const frozen = document.getElementById("frozen");
let last = Date.now();

async function look() {
  let every = 10;
  try {
    const answer = await fetch(main.dataset.now);
    if (!answer.ok) throw new Error(answer.statusText);
    const told = await answer.json();
    for (const [id, html] of Object.entries(told.panels)) put(document.getElementById(`panel-${id}`), html);
    for (const element of document.querySelectorAll(".course")) draw(element, told.charts[element.id.split("-")[1]], told.marks);
    last = Date.now();
    every = told.every;
    tellTimes();
  } catch { /* told below */ }
  frozen.hidden = Date.now() - last < SILENT;
  if (!frozen.hidden) say(frozen, `Nothing was received since ${local.format(last)}: the figures below are old.`);
  if (every) setTimeout(soon, every * 1000);
}

function soon() {
  if (document.hidden) document.addEventListener("visibilitychange", look, { once: true });
  else look();
}

function put(element, html) {
  if (element.firstElementChild?.localName === "div") morph(element.firstElementChild, html);
  else element.replaceChildren(morph.parse(html));
}

// ------------------------------------------------------------ charts

function draw(element, course, marks) {
  const before = held.get(element);
  element.hidden = !course || !globalThis.uPlot;
  if (element.hidden) {
    before?.plot.destroy();
    held.delete(element);
    return;
  }
  course.marks = marks;
  const shape = course.lines.map((line) => `${line.label} ${line.side}`).join() + JSON.stringify(course.units);
  if (before?.shape === shape) {
    before.course = course;
    before.lines = course.lines;
    before.plot.setData(data(course));
    return;
  }
  before?.plot.destroy();
  element.replaceChildren();
  const entry = { course, shape, element, lines: course.lines, get answer() { return { marks: this.course.marks, lines: this.lines }; } };
  held.set(element, entry);
  sizes.observe(element);
  entry.plot = new globalThis.uPlot(options(element, entry), data(course), element);
  if (!element.parentElement.querySelector(".lines-link")) element.after(linesLink("", course.start, course.start + course.step * (course.lines[0].values.length - 1)));
}

function data({ start, step, lines }) {
  return [lines[0].values.map((_, place) => start + place * step), ...lines.map((line) => line.values)];
}

function options(element, entry) {
  const { units, lines } = entry.course;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const font = `${Math.round(0.75 * rem)}px ${getComputedStyle(document.body).fontFamily}`;
  const plain = { stroke: ink("muted"), font, grid: { stroke: ink("line"), width: 1 }, ticks: { show: false } };
  const told = (side) => (value) => value === null || value === undefined ? "–" : `${+value.toPrecision(3)}${units[side] && "\u202f"}${units[side]}`;
  const axis = (side) => ({ ...plain, scale: side, size: 3.6 * rem, space: 2.2 * rem, values: (_, ticks) => ticks.map(told(side)) });
  const axes = [{ ...plain, size: 1.8 * rem, space: 5 * rem, values: (_, ticks) => ticks.map(timeLabel(ticks)) }, axis("left")];
  if (lines.some((line) => line.side === "right")) axes.push({ ...axis("right"), side: 1, grid: { show: false } });
  return {
    ...room(element),
    padding: [rem, rem, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 5 }, sync: { key: "dashboard" } },
    scales: { x: { time: true }, left: { range: (_, low, high) => limits(entry.course, low, high) }, right: { range: (_, low, high) => around(low, high) } },
    axes,
    series: [{}, ...lines.map((line) => ({ label: line.label, scale: line.side, stroke: ink(`hue-${line.hue}`), width: 1.6, dash: line.again ? [6, 4] : undefined, points: { show: false }, spanGaps: false }))],
    hooks: { drawClear: [(plot) => shade(plot, entry.course)], draw: [(plot) => mark(plot, entry.course, font), (plot) => levels(plot, entry.course)] },
    plugins: [tip(entry, (value, place) => told(entry.lines[place].side)(value))],
  };
}

const room = (element) => ({ width: element.clientWidth, height: element.clientHeight });

function around(low, high) {
  if (low === null) return [0, 1];
  const space = Math.max((high - low) * 0.12, Math.abs(high) * 0.02, 1e-9);
  return [low >= 0 && low - space < (high - low) ? 0 : low - space, high + space];
}

// A limit within reach of the values is in sight; a distant one would press them flat.
function limits(course, low, high) {
  const near = course.limits.map((each) => each.value).filter((value) => value > 0 && value < 3 * high);
  return low === null ? [0, 1] : around(low, Math.max(high, ...near));
}

const LOOKS = { bad: "bad", warn: "warn", ok: "ok", neutral: "muted", no_data: "muted" };

function levels(plot, course) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.setLineDash([8, 5]);
  ctx.lineWidth = devicePixelRatio || 1;
  for (const { value, look } of course.limits) {
    const y = Math.round(plot.valToPos(value, "left", true));
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ink(LOOKS[look]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

function redraw() {
  for (const [element, { course }] of held) {
    held.get(element).shape = "";
    draw(element, course, course.marks);
  }
}

const sizes = new ResizeObserver((changes) => {
  for (const { target } of changes) if (held.has(target) && target.clientWidth) held.get(target).plot.setSize(room(target));
});

const choose = document.getElementById("choose");
choose?.addEventListener("change", () => choose.requestSubmit());
chooseTheme(redraw);
matchMedia("print").addEventListener("change", redraw);
tellTimes();
setInterval(tellTimes, 1000);
look();
