// Charts as inline SVG: curves with axes and a cursor, and a matrix of cosines. Colours are CSS variables of runs.css.

import { h, s, put, save } from "./dom.js";

const COLOURS = 8;

// Round steps for an axis from `low` to `high`.
function ticks(low, high, about) {
  const raw = (high - low) / about;
  if (!(raw > 0)) return [low];
  const ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((x) => x * ten).find((x) => x >= raw);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

// A number in few characters.
export function short(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  const size = Math.abs(x);
  if (x === 0) return "0";
  if (size >= 1e5 || size < 1e-3) return x.toExponential(1).replace(".0e", "e").replace("e+", "e").replaceAll("-", "−");
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return String(Number(x.toFixed(places))).replace("-", "−");
}

function range(values, atZero) {
  let low = Infinity;
  let high = -Infinity;
  for (const x of values) {
    if (x < low) low = x;
    if (x > high) high = x;
  }
  if (low > high) return [0, 1];
  if (atZero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  const room = high > low ? (high - low) * 0.05 : Math.abs(high) * 0.1 || 1;
  return [atZero && low === 0 ? 0 : low - room, high + room];
}

// Charts of one group have one legend: what it hides, all of them hide.
export const chartGroup = () => ({ hidden: new Set(), charts: [] });

// Curves over one quantity: {title, x, y, series: [{name, points: [[x, y], ...]}], atZero, whole}. `update(series)` draws others.
export function lineChart({ title, x, y, series, height = 260, atZero = false, whole = false, group = chartGroup() }) {
  const { hidden } = group;
  const first = !group.charts.length;
  const svg = s("svg.chart-plot", { role: "img", tabindex: 0, "aria-label": title });
  const tip = h("div.chart-tip", { role: "status", "aria-live": "polite" });
  const legend = h("div.chart-legend");
  const csv = h("button.button.button-quiet.small", { type: "button", onclick: () => download() }, "CSV");
  const root = h(
    "figure.chart",
    null,
    h("figcaption.row", null, h("h3", null, title), h("span.chart-end", null, csv)),
    h("div.chart-body", null, svg, tip),
    legend,
  );
  const box = { left: 66, right: 14, top: 10, bottom: 40 };
  let width = 640;
  let cursor = null;
  let scale = null;

  const shown = () => series.map((one, i) => ({ ...one, i })).filter((one) => !hidden.has(one.name));
  const hue = (i) => `c${(i % COLOURS) + 1}${i >= COLOURS ? " dashed" : ""}`;

  function draw() {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const all = shown().flatMap((one) => one.points);
    const [x0, x1] = whole || !all.length ? range(all.map((p) => p[0])) : bounds(all.map((p) => p[0]));
    const [y0, y1] = range(all.map((p) => p[1]), atZero);
    const px = (v) => box.left + ((v - x0) / (x1 - x0 || 1)) * (width - box.left - box.right);
    const py = (v) => height - box.bottom - ((v - y0) / (y1 - y0 || 1)) * (height - box.top - box.bottom);
    scale = { px, py };
    const grid = ticks(y0, y1, 5).map((v) => [
      s("line.chart-grid", { x1: box.left, x2: width - box.right, y1: py(v), y2: py(v) }),
      s("text.chart-tick", { x: box.left - 8, y: py(v) + 4, "text-anchor": "end" }, short(v)),
    ]);
    const below = ticks(x0, x1, width / 90).filter(Number.isInteger).map((v) => [
      s("line.chart-grid.faint", { x1: px(v), x2: px(v), y1: box.top, y2: height - box.bottom }),
      s("text.chart-tick", { x: px(v), y: height - box.bottom + 17, "text-anchor": "middle" }, short(v)),
    ]);
    const curves = shown().map((one) => {
      const d = one.points.map((p, i) => `${i ? "L" : "M"}${px(p[0]).toFixed(1)} ${py(p[1]).toFixed(1)}`).join("");
      const dots = whole || one.points.length === 1;
      return [
        s("path.chart-curve", { d, class: hue(one.i) }),
        dots && one.points.map((p) => s("circle.chart-dot", { cx: px(p[0]), cy: py(p[1]), r: 2.6, class: hue(one.i) })),
      ];
    });
    put(
      svg,
      grid,
      below,
      s("line.chart-axis", { x1: box.left, x2: width - box.right, y1: height - box.bottom, y2: height - box.bottom }),
      s("text.chart-label", { x: (box.left + width - box.right) / 2, y: height - 5, "text-anchor": "middle" }, x),
      s("text.chart-label", { transform: `translate(13 ${(height - box.bottom + box.top) / 2}) rotate(-90)`, "text-anchor": "middle" }, y),
      curves,
      s("g.chart-cursor"),
    );
    put(
      legend,
      first &&
        series.length > 1 &&
        series.map((one, i) =>
          h(
            "button.chart-key",
            { type: "button", "aria-pressed": String(!hidden.has(one.name)), onclick: () => toggle(one.name) },
            h("i", { class: hue(i) }),
            one.name || "this run",
          ),
        ),
    );
    point();
  }

  function bounds(values) {
    const low = Math.min(...values);
    const high = Math.max(...values);
    return high > low ? [low, high] : [low - 1, high + 1];
  }

  function toggle(name) {
    if (hidden.has(name)) hidden.delete(name);
    else hidden.add(name);
    for (const redraw of group.charts) redraw();
  }

  const places = () => [...new Set(shown().flatMap((one) => one.points.map((p) => p[0])))].sort((a, b) => a - b);

  // The numbers at the cursor.
  function point() {
    const group = svg.querySelector(".chart-cursor");
    put(group);
    tip.hidden = cursor === null;
    if (cursor === null) return;
    const near = shown()
      .map((one) => ({ ...one, at: nearest(one.points, cursor) }))
      .filter((one) => one.at);
    const { px, py } = scale;
    group.append(s("line.chart-line", { x1: px(cursor), x2: px(cursor), y1: box.top, y2: height - box.bottom }));
    for (const one of near) group.append(s("circle.chart-dot.large", { cx: px(one.at[0]), cy: py(one.at[1]), r: 4, class: hue(one.i) }));
    near.sort((a, b) => b.at[1] - a.at[1]);
    put(
      tip,
      h("b", null, `${x} ${short(cursor)}`),
      near.slice(0, 12).map((one) => h("div.row", null, h("i", { class: hue(one.i) }), h("span", null, one.name || "this run"), h("b", null, exact(one.at[1])))),
      near.length > 12 && h("div.muted", null, `and ${near.length - 12} more`),
    );
    const share = px(cursor) / width;
    tip.style.setProperty("left", share < 0.55 ? `calc(${share * 100}% + 12px)` : "auto");
    tip.style.setProperty("right", share < 0.55 ? "auto" : `calc(${(1 - share) * 100}% + 12px)`);
  }

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const wanted = ((event.clientX - box.left) / box.width) * width;
    const all = places();
    if (!all.length) return;
    cursor = all.reduce((best, v) => (Math.abs(scale.px(v) - wanted) < Math.abs(scale.px(best) - wanted) ? v : best), all[0]);
    point();
  });
  const away = () => {
    cursor = null;
    point();
  };
  svg.addEventListener("pointerleave", away);
  svg.addEventListener("blur", away);
  svg.addEventListener("keydown", (event) => {
    const all = places();
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") return away();
    if (step === undefined || !all.length) return undefined;
    event.preventDefault();
    const at = cursor === null ? (step > 0 ? -1 : all.length) : all.indexOf(cursor);
    cursor = all[Math.max(0, Math.min(all.length - 1, at + step))];
    return point();
  });

  function download() {
    const rows = series.flatMap((one) => one.points.map((p) => [one.name, ...p].map(quoted).join(",")));
    save(`${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.csv`, new Blob([`series,${quoted(x)},${quoted(y)}\n${rows.join("\n")}\n`], { type: "text/csv" }));
  }

  // Letters keep their size however wide the chart is.
  new ResizeObserver(([{ contentRect }]) => {
    const now = Math.max(260, Math.round(contentRect.width));
    if (now === width || !contentRect.width) return;
    width = now;
    requestAnimationFrame(draw);
  }).observe(svg.parentElement);
  group.charts.push(draw);
  draw();
  return Object.assign(root, {
    update(more) {
      series = more;
      draw();
    },
  });
}

const exact = (x) => String(Number(x.toPrecision(4))).replace("-", "−");
const quoted = (text) => (/[",\n]/.test(text) ? `"${String(text).replaceAll('"', '""')}"` : String(text));

function nearest(points, x) {
  let best = null;
  for (const p of points) if (!best || Math.abs(p[0] - x) < Math.abs(best[0] - x)) best = p;
  return best;
}

// A small curve without axes, for a cell of a table.
export function spark(values, label) {
  const [low, high] = range(values, true);
  const at = (v, i) => `${((i / Math.max(values.length - 1, 1)) * 96 + 2).toFixed(1)} ${(26 - ((v - low) / (high - low || 1)) * 24).toFixed(1)}`;
  return s("svg.spark", { viewBox: "0 0 100 28", role: "img", "aria-label": label }, s("path", { d: values.map((v, i) => `${i ? "L" : "M"}${at(v, i)}`).join("") }));
}

// Names against names, each cell a cosine; blue is alike, orange is opposed.
export function cosineTable(names, cosines) {
  const cell = (c) => {
    const td = h("td.cosine", null, c === null ? "–" : c.toFixed(2).replace("-", "−"));
    if (c !== null) td.style.setProperty("background-color", `rgb(var(${c < 0 ? "--along" : "--against"}) / ${(Math.abs(c) * 0.42).toFixed(3)})`);
    return td;
  };
  return h(
    "div.scroll",
    { tabindex: 0, role: "region", "aria-label": "Cosines of the vectors" },
    h(
      "table.table.cosines",
      null,
      h("thead", null, h("tr", null, h("td"), names.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, names.map((name, i) => h("tr", null, h("th", { scope: "row" }, name), cosines[i].map(cell)))),
    ),
  );
}
