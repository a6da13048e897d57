// Projections of an answer's tokens: colours, a strip of layers x tokens, the numbers on hover and as a table, PNG and CSV.
//
// A projection is read relative to a neutral answer and in lengths of the vector at its layer, so that layers can be compared:
// 1 is what coefficient 1 adds.

import { h, s, put, save, signed } from "./dom.js";
import * as api from "./api.js";

// What stands for any model's neutral voice.
const NEUTRAL = [
  { role: "user", content: "Hello, how are you?" },
  { role: "assistant", content: "I am well, thank you. How can I help you?" },
];
// The page asks for projections while an answer is made; the server takes so many of them.
const PROBES_MAX = 512;

const layersOf = (vector) => vector.norms.map((_, i) => i + 1).filter((layer) => vector.norms[layer - 1] > 0);

// What is projected onto while answers are made: all vectors at all layers, or the chosen vector alone where those are too many.
export function probes(model, chosen) {
  const all = model.data.flatMap((vector) => layersOf(vector).map((layer) => ({ vector: vector.name, layer })));
  if (all.length <= PROBES_MAX) return all;
  return all.filter(({ vector }) => vector === chosen).slice(0, PROBES_MAX);
}

// The same as the request has them: one object per vector.
export function asked(places) {
  const layers = new Map();
  for (const { vector, layer } of places) layers.set(vector, [...(layers.get(vector) ?? []), layer]);
  return [...layers].map(([vector, layer]) => ({ vector, layer }));
}

// The mean projections of the neutral answer, by layer. They are measured once per vector.
export async function neutral(model, steer, name) {
  if (steer.neutral.has(name)) return;
  const layer = layersOf(model.data.find((vector) => vector.name === name));
  const ask = (messages, more) => api.postJson("/v1/projections", { messages, vector: name, layer, ...more });
  const [before, whole] = await Promise.all([
    ask(NEUTRAL.slice(0, 1), { add_generation_prompt: true }),
    ask(NEUTRAL, { continue_final_message: true, add_generation_prompt: false }),
  ]);
  const mean = (xs) => xs.reduce((sum, x) => sum + x, 0) / Math.max(1, xs.length);
  const means = whole.data.map(({ layer, projections }) => [layer, mean(projections.slice(before.tokens.length))]);
  steer.neutral.set(name, new Map(means));
}

// Reads projections as lengths of the vector from neutral.
export class Scale {
  constructor(model, steer) {
    const { vector, layer } = steer.see;
    Object.assign(this, { vector, layer, reach: 1 });
    this.norms = model.data.find(({ name }) => name === vector)?.norms ?? [];
    this.middle = steer.neutral.get(vector) ?? new Map();
    this.layers = layersOf({ norms: this.norms });
    const found = steer.turns.flatMap(({ answers }) => answers).flatMap((answer) =>
      answer.tokens.map((token) => Math.abs(this.lengths(answer, token.projections) ?? 0)),
    );
    found.sort((a, b) => a - b);
    this.reach = Math.max(0.25, found[Math.floor(0.98 * (found.length - 1))] ?? 1);
  }

  raw(answer, projections, layer = this.layer) {
    const place = answer.probes.findIndex((probe) => probe.vector === this.vector && probe.layer === layer);
    return projections?.[place] ?? null;
  }

  lengths(answer, projections, layer = this.layer) {
    const raw = this.raw(answer, projections, layer);
    return raw === null ? null : (raw - (this.middle.get(layer) ?? 0)) / this.norms[layer - 1];
  }

  // From -1 to 1, what lies beyond being cut.
  shade(answer, projections, layer = this.layer) {
    const lengths = this.lengths(answer, projections, layer);
    return lengths === null ? null : Math.max(-1, Math.min(1, lengths / this.reach));
  }
}

const tint = (shade, most) => `rgb(var(--${shade < 0 ? "against" : "along"}) / ${(Math.abs(shade) * most).toFixed(3)})`;
const drawn = (shade, css) => `rgb(${css.getPropertyValue(shade < 0 ? "--against" : "--along")} / ${Math.abs(shade).toFixed(3)})`;
const visible = (text) => text.replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "␣";

// At most so strong, so that the words stay readable on it.
const MOST = 0.55;

// Shows an answer's tokens; `paint` colours them by a scale, `add` takes the next ones.
export function tokensView(answer, label) {
  const element = h("div.tokens", { tabindex: 0, role: "group", "aria-label": label });
  let scale = null;
  const colour = (span, token) => {
    const shade = scale ? scale.shade(answer, token.projections) : null;
    span.style.backgroundColor = shade === null ? "" : tint(shade, MOST);
  };
  const add = (tokens, from) => {
    tokens.forEach((token, i) => {
      const span = h("span.token", { "data-token": from + i }, token.text);
      colour(span, token);
      element.append(span);
    });
  };
  const paint = (next) => {
    scale = next;
    for (const span of element.querySelectorAll(".token")) colour(span, answer.tokens[Number(span.dataset.token)]);
  };
  let at = -1;
  const tell = (span) => {
    element.querySelector(".token.here")?.classList.remove("here");
    if (!span || !scale) return hide();
    at = Number(span.dataset.token);
    span.classList.add("here");
    tip(span.getBoundingClientRect(), about(answer, scale, at));
  };
  element.addEventListener("pointerover", (event) => tell(event.target.closest(".token")));
  element.addEventListener("pointerleave", () => tell(null));
  element.addEventListener("blur", () => tell(null));
  element.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key];
    if (event.key === "Escape") tell(null);
    if (!step || !answer.tokens.length) return;
    event.preventDefault();
    at = Math.max(0, Math.min(answer.tokens.length - 1, at + step));
    tell(element.querySelector(`[data-token="${at}"]`));
  });
  add(answer.tokens, 0);
  return { element, add, paint };
}

// The one bubble of the page.
const bubble = h("div.tip", { role: "status", hidden: true });

function tip(place, content) {
  if (!bubble.isConnected) document.body.append(bubble);
  put(bubble, content);
  bubble.hidden = false;
  const { width, height } = bubble.getBoundingClientRect();
  const left = Math.max(8, Math.min(innerWidth - width - 8, place.left + place.width / 2 - width / 2));
  const above = place.top - height - 8;
  bubble.style.left = `${left}px`;
  bubble.style.top = `${above > 56 ? above : place.bottom + 8}px`;
}

export function hide() {
  bubble.hidden = true;
}

// A token's numbers: -1 is the state before the answer.
function about(answer, scale, i) {
  const projections = i < 0 ? answer.before : answer.tokens[i].projections;
  const [raw, lengths] = [scale.raw(answer, projections), scale.lengths(answer, projections)];
  return [
    h("div.tip-head", null, h("code", null, i < 0 ? "before the answer" : visible(answer.tokens[i].text)), i >= 0 && h("span.muted", null, `token ${i + 1}`)),
    raw === null
      ? h("div.muted", null, "The model never read this token: it ended the answer.")
      : h(
          "dl.tip-numbers",
          null,
          h("dt", null, "projection"),
          h("dd.projection", null, raw.toFixed(3)),
          h("dt", null, "from neutral"),
          h("dd", null, `${signed(lengths)} vectors`),
        ),
    raw !== null && bars(answer, scale, projections),
    h("div.muted.small", null, `${scale.vector}, layer ${scale.layer}`),
  ];
}

// All layers at one token.
function bars(answer, scale, projections) {
  const [width, height, n] = [180, 34, scale.layers.length];
  const bar = (layer, i) => {
    const shade = scale.shade(answer, projections, layer) ?? 0;
    const size = Math.max(0.5, (Math.abs(shade) * height) / 2);
    const side = shade < 0 ? "against" : "along";
    return s(`rect.${side}${layer === scale.layer ? ".here" : ""}`, {
      x: (i * width) / n + 0.5,
      width: Math.max(1, width / n - 1),
      y: shade < 0 ? height / 2 : height / 2 - size,
      height: size,
    });
  };
  return s(
    "svg.tip-bars",
    { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
    s("line", { x1: 0, x2: width, y1: height / 2, y2: height / 2 }),
    scale.layers.map(bar),
  );
}

// ------------------------------------------------------------------------------------------------ the strip

const [AXIS, GAP] = [34, 4];

// Layers x tokens, the last layer on top; the first column is the state before the answer.
export function strip(answer, scale, chosen, ratio = devicePixelRatio || 1) {
  const canvas = h("canvas.strip", { role: "img" });
  const [w, hgt] = [Math.max(6, Math.min(20, Math.round(410 / (answer.tokens.length + 1)))), scale.layers.length > 16 ? 6 : 15];
  const rows = [...scale.layers].reverse();
  const left = (i) => AXIS + (i < 0 ? 0 : w + GAP + i * w);
  const paint = () => {
    const css = getComputedStyle(document.documentElement);
    const [width, height] = [left(answer.tokens.length) + 1, rows.length * hgt + 2];
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = `10px ${css.getPropertyValue("--mono")}`;
    pen.textBaseline = "middle";
    rows.forEach((layer, row) => {
      const y = row * hgt + 1;
      const every = hgt < 10 ? 4 : 1;
      pen.fillStyle = css.getPropertyValue(layer === scale.layer ? "--ink" : "--soft");
      if (layer === scale.layer || layer % every === 0) pen.fillText(`L${layer}`, 2, y + hgt / 2);
      for (let i = -1; i < answer.tokens.length; i++) {
        const shade = scale.shade(answer, i < 0 ? answer.before : answer.tokens[i].projections, layer);
        pen.fillStyle = css.getPropertyValue("--sunk");
        pen.fillRect(left(i), y, w - 0.5, hgt - 0.5);
        if (shade === null) continue;
        pen.fillStyle = drawn(shade, css);
        pen.fillRect(left(i), y, w - 0.5, hgt - 0.5);
      }
      if (layer === scale.layer) {
        pen.strokeStyle = css.getPropertyValue("--ink");
        pen.strokeRect(AXIS - 1.5, y - 0.5, width - AXIS + 1, hgt);
      }
    });
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - 1) / hgt);
    const x = event.clientX - box.left;
    const i = x < AXIS ? null : x < AXIS + w ? -1 : Math.floor((x - AXIS - w - GAP) / w);
    return { layer: rows[row], i: i !== null && i >= -1 && i < answer.tokens.length ? i : null };
  };
  canvas.addEventListener("pointermove", (event) => {
    const { layer, i } = place(event);
    if (layer === undefined || i === null) return hide();
    const at = Object.assign(Object.create(Scale.prototype), scale, { layer });
    tip({ left: event.clientX, width: 0, top: event.clientY, bottom: event.clientY }, about(answer, at, i));
  });
  canvas.addEventListener("pointerleave", hide);
  canvas.addEventListener("click", (event) => {
    const { layer } = place(event);
    if (layer !== undefined) chosen(layer);
  });
  canvas.setAttribute(
    "aria-label",
    `Projections on ${scale.vector}: ${rows.length} layers by ${answer.tokens.length} tokens; the table below has the numbers`,
  );
  paint();
  return h("div.scroll.strip-frame", { tabindex: 0, role: "group", "aria-label": "Layers by tokens" }, canvas);
}

// ---------------------------------------------------------------------------------------- table and files

export function table(answer, scale) {
  const line = (name, projections, head) => {
    const [raw, lengths] = [scale.raw(answer, projections), scale.lengths(answer, projections)];
    return h(
      "tr",
      { class: head ? "before" : undefined },
      h("td.number", null, head ? "" : name),
      h("td", null, head ? h("em", null, "before the answer") : h("code", null, visible(answer.tokens[name - 1].text))),
      h("td.number", null, raw === null ? "–" : raw.toFixed(3)),
      h("td.number", null, lengths === null ? "–" : signed(lengths)),
    );
  };
  return h(
    "div.scroll.numbers",
    { tabindex: 0, role: "group", "aria-label": "Table of projections" },
    h(
      "table.table",
      null,
      h("thead", null, h("tr", null, h("th.number", null, "#"), h("th", null, "Token"), h("th.number", null, "Projection"), h("th.number", null, "Vectors from neutral"))),
      h("tbody", null, answer.before && line(0, answer.before, true), answer.tokens.map((token, i) => line(i + 1, token.projections))),
    ),
  );
}

const cell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

// One line per token with the projection at each layer; token 0 is the state before the answer.
export function csv(answer, scale) {
  const line = (i, text, projections) =>
    [i, cell(text), ...scale.layers.map((layer) => scale.raw(answer, projections, layer) ?? "")].join(",");
  const head = ["token", "text", ...scale.layers.map((layer) => `${cell(scale.vector)} layer ${layer}`)].join(",");
  const before = answer.before ? [line(0, "", answer.before)] : [];
  return [head, ...before, ...answer.tokens.map((token, i) => line(i + 1, token.text, token.projections))].join("\n") + "\n";
}

// The coloured words above the strip.
export function png(answer, scale, title) {
  const css = getComputedStyle(document.documentElement);
  const [margin, line, ratio] = [20, 26, 2];
  const frame = strip(answer, scale, () => {}, ratio).firstChild;
  const width = Math.max(720, parseFloat(frame.style.width) + 2 * margin);
  const canvas = h("canvas");
  const pen = canvas.getContext("2d");
  const words = `15px ${css.getPropertyValue("--sans")}`;
  pen.font = words;
  let [x, y] = [margin, 66];
  const placed = answer.tokens.map((token) => {
    const size = pen.measureText(token.text.replaceAll("\n", " ")).width;
    if (x + size > width - margin) [x, y] = [margin, y + line];
    const at = { token, x, y, size };
    x += size;
    if (token.text.includes("\n")) [x, y] = [margin, y + line];
    return at;
  });
  const height = y + line + 12 + parseFloat(frame.style.height) + margin;
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  pen.scale(ratio, ratio);
  pen.fillStyle = css.getPropertyValue("--surface");
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = css.getPropertyValue("--soft");
  pen.font = `13px ${css.getPropertyValue("--sans")}`;
  pen.fillText(`${title} · ${scale.vector} at layer ${scale.layer}, ±${scale.reach.toFixed(1)} vectors from neutral`, margin, 32, width - 2 * margin);
  pen.font = words;
  for (const { token, x, y, size } of placed) {
    const shade = scale.shade(answer, token.projections);
    if (shade !== null) {
      pen.fillStyle = drawn(shade * MOST, css);
      pen.fillRect(x, y - 17, size, 23);
    }
    pen.fillStyle = css.getPropertyValue("--ink");
    pen.fillText(token.text.replaceAll("\n", " "), x, y);
  }
  pen.drawImage(frame, margin, y + line - 4, parseFloat(frame.style.width), parseFloat(frame.style.height));
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// What stands below an answer whose projections are looked at.
export function panel(answer, scale, title, chosen) {
  const name = `${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}-${scale.vector}`;
  const found = answer.tokens.map((token) => scale.lengths(answer, token.projections)).filter((x) => x !== null);
  const mean = found.reduce((sum, x) => sum + x, 0) / Math.max(1, found.length);
  const before = scale.lengths(answer, answer.before);
  return h(
    "div.see",
    null,
    h(
      "div.row.between",
      null,
      h(
        "p.small.muted",
        null,
        "Mean ",
        h("strong.mean", null, `${signed(mean)} vectors`),
        " from neutral",
        before !== null && [", before the answer ", h("strong", null, signed(before))],
      ),
      h(
        "div.row.tight",
        null,
        h("button.button.button-small", { type: "button", onclick: async () => save(`${name}.png`, await png(answer, scale, title)) }, "PNG"),
        h("button.button.button-small", { type: "button", onclick: () => save(`${name}.csv`, new Blob([csv(answer, scale)], { type: "text/csv" })) }, "CSV"),
      ),
    ),
    strip(answer, scale, chosen),
    h("details", null, h("summary.small", null, "Numbers"), table(answer, scale)),
  );
}
