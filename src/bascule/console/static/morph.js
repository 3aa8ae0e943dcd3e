// Turns an element into what the server now says it is, touching only what differs: focus, selection,
// opened rows and charts stay. The HTML is the server's own, with every outside value escaped there.

const policy = globalThis.trustedTypes?.createPolicy("bascule", { createHTML: (html) => html }) ?? { createHTML: (html) => html };
const keyOf = (node) => node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || "" : "";

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  return template.content.firstElementChild;
}

export function morph(old, html) {
  if (old) change(old, parse(html));
}
morph.parse = parse;

function change(old, now) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
    return;
  }
  // A time that did not change keeps the words the reader's own clock gave it.
  const sameTime = old.localName === "time" && old.getAttribute("datetime") === now.getAttribute("datetime");
  changeAttributes(old, now);
  if (!sameTime && !("keep" in old.dataset)) changeChildren(old, now);
}

function changeAttributes(old, now) {
  const own = new Set((old.dataset?.own ?? "").split(" "));
  if (old.localName === "time") own.add("title");
  if (old.localName === "details") own.add("open");
  for (const { name } of [...old.attributes]) if (!now.hasAttribute(name) && !own.has(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (!own.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
}

function changeChildren(old, now) {
  const keyed = new Map();
  for (const child of old.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
  let place = old.firstChild;
  for (const child of [...now.childNodes]) {
    const key = keyOf(child);
    let match = key ? keyed.get(key) : place;
    const fits = match && match.nodeName === child.nodeName && keyOf(match) === key;
    if (!fits) match = old.insertBefore(child, place);
    else {
      if (match !== place) old.insertBefore(match, place);
      change(match, child);
    }
    place = match.nextSibling;
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}
