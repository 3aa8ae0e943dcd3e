// A page without a stream: its times and colours.
import { tellTimes } from "./times.js";
import "./keys.js";
import { chooseTheme } from "./themes.js";

chooseTheme(() => {});
tellTimes();
setInterval(tellTimes, 1000);
