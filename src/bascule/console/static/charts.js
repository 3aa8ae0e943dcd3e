// The charts: uPlot, with marks for phases and faults and shaded spans for alerts.

const held = new Map(); // element -> { plot, answer }
const POINTS = { ratio: [100, "%"], share: [100, "%"], seconds: [1000, "ms"] };
let shown = document.querySelector('[data-window][aria-pressed="true"]')?.dataset.window ?? "1h";

export function setWindow(name) {
  shown = name;
  refreshCharts();
}

export function refreshCharts() {
  if (!globalThis.uPlot) return;
  for (const element of document.querySelectorAll("[data-chart]")) if (element.offsetParent) refresh(element);
}

export function redrawCharts() {
  for (const [element, { answer }] of held) draw(element, answer, true);
}

async function refresh(element) {
  const { chart, signal, segment, start, end } = element.dataset;
  const about = { ...(signal && { signal, segment }), ...(start ? { start, end } : { window: shown }) };
  let answer;
  try {
    const response = await fetch(`${chart}?${new URLSearchParams(about)}`);
    answer = await response.json();
  } catch {
    answer = { error: "The chart cannot be fetched." };
  }
  draw(element, answer, false);
}

function draw(element, answer, again) {
  const before = held.get(element);
  if (answer.error || !answer.lines.some((line) => line.values.some((value) => value !== null))) {
    before?.plot.destroy();
    held.delete(element);
    element.replaceChildren(words(answer.error ?? "No data in this span of time."));
    return;
  }
  const shape = answer.lines.map((line) => line.label + line.role).join();
  if (before && !again && before.shape === shape && element.contains(before.plot.root)) {
    before.answer = answer;
    before.plot.setData(data(answer));
    return;
  }
  before?.plot.destroy();
  element.replaceChildren();
  const entry = { answer, shape, element };
  held.set(element, entry);
  sizes.observe(element);
  entry.plot = new globalThis.uPlot(options(element, entry), data(answer), element);
  element.append(keys(element, answer));
}

function words(text) {
  const node = document.createElement("p");
  node.className = "empty";
  node.textContent = text;
  return node;
}

const scaled = (unit) => POINTS[unit] ?? [1, unit.split(" ")[0]];

function data(answer) {
  const [factor] = scaled(answer.unit);
  return [answer.times, ...answer.lines.map((line) => line.values.map((value) => value === null ? null : value * factor))];
}

// ------------------------------------------------------------ colours come from the style sheet

export function ink(name) {
  let palette = document.querySelector(".palette");
  if (!palette) {
    palette = document.createElement("div");
    palette.className = "palette";
    document.body.append(palette);
  }
  let swatch = palette.querySelector(`.${name}`);
  if (!swatch) {
    swatch = document.createElement("i");
    swatch.className = name;
    palette.append(swatch);
  }
  return getComputedStyle(swatch).color;
}

function lineInk(line) {
  if (line.role === "baseline") return ink("v1");
  if (line.role === "candidate") return ink("v2");
  for (const swatch of document.querySelectorAll(".swatch")) if (swatch.dataset.segment === line.label) return getComputedStyle(swatch).color;
  return ink("muted");
}

// ------------------------------------------------------------ uPlot

function options(element, entry) {
  const { answer } = entry;
  const [, short] = scaled(answer.unit);
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const font = `${Math.round(0.78 * rem)}px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: ink("muted"), font, grid: { stroke: ink("line"), width: 1 }, ticks: { show: false } };
  const number = (value) => value === null || value === undefined ? "–" : `${+value.toPrecision(3)}\u202f${short}`;
  return {
    ...room(element),
    padding: [rem * 1.1, rem * 1.4, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (_, low, high) => limits(answer.unit, low, high) } },
    axes: [{ ...axis, size: 2 * rem, space: 6 * rem, values: (_, ticks) => ticks.map(timeLabel(ticks)) }, { ...axis, size: 3.6 * rem, space: 2.4 * rem, values: (_, ticks) => ticks.map(number) }],
    series: [{}, ...answer.lines.map((line) => series(line))],
    hooks: { drawClear: [(plot) => shade(plot, entry.answer)], draw: [(plot) => mark(plot, entry.answer, font)] },
    plugins: [tip(entry, number)],
  };
}

// The chart fills its element, less a line for the keys; the element's size never depends on the chart's.
function room(element) {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  return { width: element.clientWidth, height: Math.max(100, element.clientHeight - Math.round(1.6 * rem)) };
}

function limits(unit, low, high) {
  if (unit === "share") return [0, 105];
  const room = Math.max((high - low) * 0.12, Math.abs(high) * 0.02, 1e-9);
  return [low >= 0 && low - room < (high - low) ? 0 : low - room, high + room];
}

const hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export function timeLabel(ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 60;
  const format = step < 60 ? seconds : step < 86400 ? hours : days;
  return (at) => format.format(at * 1000);
}

function series(line) {
  const planned = line.role === "planned";
  return {
    label: line.label,
    stroke: lineInk(line),
    width: (line.role === "candidate" || line.label === "all" ? 2.2 : 1.6) * parseFloat(getComputedStyle(document.documentElement).fontSize) / 15,
    dash: planned || line.role === "baseline" ? [6, 4] : undefined,
    paths: planned ? globalThis.uPlot.paths.stepped({ align: 1 }) : undefined,
    points: { show: false },
    spanGaps: false,
  };
}

export function shade(plot, answer) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = ink("bad-soft");
  for (const { start, end } of answer.marks.filter((each) => each.kind === "alert")) {
    const from = Math.max(bbox.left, plot.valToPos(start, "x", true));
    const to = Math.min(bbox.left + bbox.width, end === null ? Infinity : plot.valToPos(end, "x", true));
    if (to > from) ctx.fillRect(from, bbox.top, to - from, bbox.height);
  }
  ctx.restore();
}

export function mark(plot, answer, font) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio || 1;
  let free = 0;
  ctx.save();
  ctx.font = font.replace(/^(\d+)px/, (_, size) => `${size * scale}px`);
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  for (const { kind, label, start } of answer.marks.filter((each) => each.kind !== "alert").sort((a, b) => a.start - b.start)) {
    const x = Math.round(plot.valToPos(start, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = kind === "fault" ? ink("bad") : ink("muted");
    ctx.lineWidth = scale;
    ctx.beginPath();
    ctx.setLineDash(kind === "fault" ? [] : [2 * scale, 3 * scale]);
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const text = label.length > 22 ? `${label.slice(0, 21)}…` : label;
    const width = ctx.measureText(text).width;
    const left = Math.min(x, bbox.left + bbox.width - width);
    if (left >= free) {
      ctx.fillText(text, left, bbox.top - 3 * scale);
      free = left + width + 8 * scale;
    }
  }
  ctx.restore();
}

export function tip(entry, number) {
  let box;
  return {
    hooks: {
      init: (plot) => {
        box = document.createElement("div");
        box.className = "u-tip";
        box.hidden = true;
        plot.over.append(box);
        plot.over.addEventListener("click", () => pick(plot, entry));
      },
      setCursor: (plot) => {
        const { idx, left } = plot.cursor;
        box.hidden = idx === null || idx === undefined || left < 0;
        if (box.hidden) return;
        const rows = entry.answer.lines.map((line, i) => `${line.label}${line.role === "planned" ? " planned" : ""}  ${number(plot.data[i + 1][idx], i)}`);
        box.textContent = [seconds.format(plot.data[0][idx] * 1000), ...rows].join("\n");
        const right = left > plot.over.clientWidth / 2;
        box.style.left = right ? "" : `${left + 12}px`;
        box.style.right = right ? `${plot.over.clientWidth - left + 12}px` : "";
        box.style.top = "8px";
      },
    },
  };
}

// ------------------------------------------------------------ from a point to the log lines behind it

const AROUND = 15; // seconds on each side of a point

export function linesLink(segment, start, end) {
  const link = document.createElement("a");
  link.className = "lines-link";
  const is = (at) => new Date(at * 1000).toISOString();
  const has = segment && segment !== "all" ? { has: `user_segment=${segment}` } : {};
  link.href = `/logs?${new URLSearchParams({ since: is(start), until: is(end), ...has })}`;
  link.textContent = end - start > 2 * AROUND + 1 ? "log lines of this span" : `log lines at ${seconds.format((start + end) * 500)}`;
  return link;
}

function pick(plot, { element }) {
  const at = plot.data[0][plot.cursor.idx];
  if (at === undefined) return;
  const around = Math.max(AROUND, (plot.data[0][1] - plot.data[0][0]) / 2);
  const link = linesLink(element.dataset.segment, at - around, at + around);
  element.parentElement.querySelector(".lines-link")?.replaceWith(link);
  link.focus();
}

// ------------------------------------------------------------ what the lines mean

function keys(element, answer) {
  const list = document.createElement("div");
  list.className = "keys";
  if (element.dataset.kind === "share") list.append(key("planned", "planned"));
  else for (const line of answer.lines) list.append(key(line.role, line.label));
  if (answer.marks.some((each) => each.kind !== "alert")) list.append(key("mark", "phase, annotation"));
  if (answer.marks.some((each) => each.kind === "alert")) list.append(key("alert", "alert open"));
  if (answer.note) list.append(answer.note);
  list.append(linesLink(element.dataset.segment, answer.times[0], answer.times.at(-1)));
  return list;
}

function key(kind, text) {
  const node = document.createElement("span");
  node.className = `key ${kind}`;
  node.append(document.createElement("i"), text);
  return node;
}

const sizes = new ResizeObserver((changes) => {
  for (const { target } of changes) if (held.has(target) && target.clientWidth) held.get(target).plot.setSize(room(target));
});
