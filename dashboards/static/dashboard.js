// What pages gain from a script: charts that can be looked at closely, and a light that says
// whether the page is live. Without it every page shows the same.
"use strict";

(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Minutes of the day; seconds where ticks are closer than that.
  const times = (_u, ticks) => ticks.map((at) =>
    new Date(at * 1e3).toISOString().slice(11, ticks.length > 1 && ticks[1] - ticks[0] < 60 ? 19 : 16));

  const options = (told, width) => {
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 },
                   ticks: { stroke: colour("--line"), width: 1 }, font: "11px system-ui" };
    const series = told.names.map((name, i) => ({
      label: name, stroke: colour(`--s${i}`), width: 2, points: { show: false },
      value: (_u, v) => v === null || v === undefined ? "–" : v.toFixed(2),
    }));
    return {
      width, height: 220, tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "UTC"),
      cursor: { y: false, sync: { key: "tunefleet" } },
      scales: { y: { range: (_u, _low, high) => [0, (high || 1) * 1.1] } },
      axes: [{ ...axis, values: times }, { ...axis, size: 52 }],
      series: [{ value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss} UTC" }, ...series],
    };
  };

  const draw = (figure) => {
    const told = JSON.parse(figure.querySelector("script.series").textContent);
    const drawn = figure.querySelector(".drawn");
    const width = drawn.clientWidth;
    if (!width) return;
    drawn.replaceChildren();
    new uPlot(options(told, width), told.data, drawn);
  };

  const drawAll = (within) => within.querySelectorAll("figure.chart").forEach((figure) => {
    if (figure.querySelector("script.series")) draw(figure);
  });

  const redraw = () => drawAll(document);
  drawAll(document);
  let waiting = 0;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(redraw, 150); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // A section that is replaced keeps what was opened in it, and where it was scrolled to.
  const kept = new WeakMap();
  document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
    const target = event.target;
    const scrolled = [target, ...target.querySelectorAll(".scroll")];
    kept.set(target, {
      open: [...target.querySelectorAll("details[open]")].map((one) => one.id),
      left: scrolled.map((one) => one.scrollLeft),
    });
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    const target = event.target;
    const was = kept.get(target);
    if (was) {
      was.open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
      [target, ...target.querySelectorAll(".scroll")].forEach((one, i) => { one.scrollLeft = was.left[i] || 0; });
    }
    drawAll(target);
  });

  const light = document.getElementById("connection");
  const say = (name, text) => { light.className = name; light.textContent = text; };
  if (light?.dataset.live === "yes") say("off", "connecting");
  document.body.addEventListener("htmx:sseOpen", () => say("on", "live"));
  document.body.addEventListener("htmx:sseError", () => say("off", "not connected"));
})();
