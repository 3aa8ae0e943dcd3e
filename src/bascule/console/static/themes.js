// The button that chooses the colours: as the system, light, dark.

const themes = ["auto", "light", "dark"];
const called = { auto: "as the system", light: "light", dark: "dark" };

export function chooseTheme(changed) {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const show = () => {
    button.title = `Colours: ${called[root.dataset.theme]}`;
    button.setAttribute("aria-label", button.title);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    localStorage.setItem("bascule.theme", root.dataset.theme);
    show();
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  show();
}
