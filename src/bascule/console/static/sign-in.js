// Signing in and out; the server sets the cookie.
import { post } from "./act.js";
import "./keys.js";
import { chooseTheme } from "./themes.js";
import { tellTimes } from "./times.js";

const form = document.getElementById("sign-in");
const refused = document.getElementById("refused");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = new FormData(form);
  const problem = await post("/sign-in", { user: told.get("user"), password: told.get("password") });
  if (!problem) location.assign("/");
  refused.hidden = !problem;
  refused.textContent = problem;
});
document.getElementById("sign-out")?.addEventListener("click", async () => {
  await post("/sign-out", {});
  location.assign("/");
});
chooseTheme(() => {});
tellTimes();
