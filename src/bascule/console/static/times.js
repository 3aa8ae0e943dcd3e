// Times in the reader's zone, with the migration's and UTC beside.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const home = document.body.dataset.timezone;
let ahead = 0; // ms by which this machine's clock is ahead of the server's

export function setAhead(ms) {
  ahead = ms;
}

const clockIn = (timeZone, more = {}) => new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", second: "2-digit", ...more });
export const local = clockIn(zone);
const localDay = clockIn(zone, { day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(document.querySelector("#again[lang=fr]") ? "fr" : "en-GB", { timeZone: zone, weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
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

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function tellTimes() {
  const now = serverNow();
  for (const node of document.querySelectorAll("time[datetime]")) {
    const at = Date.parse(node.dateTime);
    const style = node.dataset.show;
    if (style === "ago") say(node, `${span(now - at)} ago`);
    else if (style === "day") say(node, longDay.format(at));
    else if (style === "since") say(node, span(now - at));
    else say(node, Math.abs(now - at) < 43200000 ? local.format(at) : localDay.format(at));
    node.title = `${utc.format(at)} UTC · ${there.format(at)} ${home}`;
  }
  const clock = document.getElementById("clock");
  const parts = [`${local.format(now)} ${zone}`];
  if (home !== zone) parts.push(`${clockIn(home).format(now)} ${home}`);
  if (zone !== "UTC") parts.push(`${clockIn("UTC").format(now)} UTC`);
  say(clock, parts.join(" · "));
  say(document.getElementById("zone"), zone);
}
