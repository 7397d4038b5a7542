// One cursor through all charts: the time under the pointer, and every curve's value there.
"use strict";
const data = JSON.parse(document.getElementById("points").textContent);
const plots = [...document.querySelectorAll(".plot")];

function clock(atS) {
  const total = Math.floor(atS + (data.start_s ?? 0)) % (data.start_s === null ? Infinity : 86400);
  const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60].map((n) => String(n).padStart(2, "0"));
  return parts.join(":");
}

const four = (v) => String(Number(v.toPrecision(4)));  // digits, without zeros that say nothing
const units = {
  s: (v) => (v >= 1 ? four(v) + " s" : four(1000 * v) + " ms"),
  share: (v) => (100 * v).toFixed(2) + " %",
  rps: four,
  cores: four,
};

function last(times, atS) {  // index of the last time not after atS
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= atS) low = middle + 1; else high = middle;
  }
  return low - 1;
}

function show(atS) {
  for (const plot of plots) {
    const cursor = plot.querySelector(".cursor");
    cursor.hidden = atS === null;
    if (atS === null) continue;
    cursor.style.left = (100 * atS) / data.duration_s + "%";
    cursor.dataset.at = clock(atS);
  }
  for (const [key, chart] of Object.entries(data.charts)) {
    document.querySelectorAll(`#chart-${key} output`).forEach((output, i) => {
      const curve = chart.curves[i];
      const at = atS === null ? -1 : last(curve.x, atS);
      const value = at < 0 ? null : curve.y[at];
      output.textContent = value === null ? "" : units[chart.unit](value);
    });
  }
}

for (const plot of plots) {
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    show(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * data.duration_s);
  });
  plot.addEventListener("pointerleave", () => show(null));
}
