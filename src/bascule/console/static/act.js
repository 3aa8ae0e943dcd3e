// What an operator does: one dialog says what will happen and on what it rests, asks why, and sends it.

const $ = (id) => document.getElementById(id);
const dialog = $("ask");
let asked; // the button that was pressed

function ask(button) {
  const { title, effect = "", rests = "", against = "", needs = "", label = "Why" } = button.dataset;
  asked = button.dataset;
  $("ask-title").textContent = title;
  $("ask-effect").textContent = effect;
  $("ask-rests").textContent = rests && `Verdict now: ${rests}`;
  $("ask-against").hidden = !against;
  $("ask-force").checked = false;
  $("ask-force").required = Boolean(against);
  $("ask-against-text").textContent = against && `Force it, although ${against}`;
  $("ask-why").value = "";
  $("ask-why").required = needs === "why";
  $("ask-label").textContent = label;
  $("ask-yes").textContent = title;
  $("ask-refused").hidden = true;
  if ($("ask-who")) $("ask-who").value = localStorage.getItem("bascule.who") ?? "";
  dialog.showModal();
  ($("ask-who")?.value === "" ? $("ask-who") : $("ask-why")).focus();
}

async function send(event) {
  event.preventDefault();
  const body = { why: $("ask-why").value };
  if ($("ask-who")) {
    body.who = $("ask-who").value;
    localStorage.setItem("bascule.who", body.who);
  }
  if ($("ask-force").checked) body.force = true;
  $("ask-yes").disabled = true;
  const problem = await post(`/act/${asked.act}`, body);
  $("ask-yes").disabled = false;
  $("ask-refused").hidden = !problem;
  $("ask-refused").textContent = problem;
  if (!problem) {
    dialog.close();
    document.dispatchEvent(new CustomEvent("acted"));
  }
}

// What was refused and why, in words; nothing when it was done.
export async function post(address, body) {
  const headers = { "Content-Type": "application/json" };
  const page = document.querySelector("meta[name=page-token]")?.content;
  if (page) headers["X-Bascule-Page"] = page;
  try {
    const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
    if (answer.ok) return "";
    const { error, fix } = await answer.json();
    return fix ? `${error}. ${fix[0].toUpperCase()}${fix.slice(1)}.` : `${error}.`;
  } catch {
    return "The console does not answer: nothing is known to have been done. Look at the timeline before you try again.";
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button && dialog) ask(button);
  const copy = event.target.closest("[data-copy]");
  if (copy) copyFrom(copy);
});

async function copyFrom(button) {
  const source = $(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    say(button, "Copied");
  } catch { // not over plain HTTP from elsewhere
    getSelection().selectAllChildren(source);
    say(button, "Selected");
  }
}

function say(button, word) {
  button.textContent = word;
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

if (dialog) {
  $("ask-form").addEventListener("submit", send);
  $("ask-no").addEventListener("click", () => dialog.close());
}
