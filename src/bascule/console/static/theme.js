// Runs before anything is painted, so that the chosen colours do not flash.
"use strict";
if (!document.documentElement.dataset.theme) document.documentElement.dataset.theme = localStorage.getItem("bascule.theme") || "auto";
