// The settings of one column: a slider per vector, where it acts, and how tokens are drawn.

import { h, put, field, unique, signed } from "./dom.js";

export const COLUMNS = ["A", "B"];

// Columns, sampling and an empty conversation.
export function fresh(model) {
  const column = () => ({ vectors: Object.fromEntries(model.data.map((vector) => [vector.name, start(model, vector)])) });
  return {
    two: true,
    edited: 1,
    columns: [column(), column()],
    sampling: { temperature: 0.7, top_p: 1, max_tokens: 200, seed: "" },
    system: "",
    turns: [],
    see: { on: true, vector: null, layer: null },
    neutral: new Map(),
  };
}

// New vectors may have come since the settings were made.
export function complete(steer, model) {
  for (const { vectors } of steer.columns) {
    for (const vector of model.data) vectors[vector.name] ??= start(model, vector);
    for (const name of Object.keys(vectors)) if (!model.data.some((vector) => vector.name === name)) delete vectors[name];
  }
}

// Middle to late layers hold most traits; the vector's norm says whether this one holds anything.
export function usualLayer(model, { norms }) {
  const middle = Math.max(1, Math.round(0.6 * model.layers));
  return norms[middle - 1] > 0 ? middle : norms.findIndex((norm) => norm > 0) + 1;
}

const start = (model, vector) => ({ coef: 0, layer: usualLayer(model, vector), positions: "response", op: "add" });

// What a column asks the server for.
export function steering(column) {
  const active = Object.entries(column.vectors).filter(([, setting]) => setting.coef !== 0);
  return active.map(([vector, { coef, layer, positions, op }]) => ({
    vector,
    coef,
    layer,
    positions,
    ...(op === "ablate" ? { op } : {}),
  }));
}

export function summary(column) {
  const active = steering(column);
  if (!active.length) return "base";
  return active.map(({ vector, coef, layer, op }) => `${op ? "ablate " : ""}${vector} ${signed(coef, digits(coef))} @ ${layer}`).join(", ");
}

const digits = (x) => (Math.abs(x) >= 10 ? 1 : 2);

// What is added, as a share of the residual stream's mean norm at the layer.
export function share(model, vector, { coef, layer }) {
  const residual = model.residual_norms?.[layer - 1];
  return residual && typeof layer === "number" ? (coef * vector.norms[layer - 1]) / residual : null;
}

// The end of a slider: what doubles the residual stream's length, rounded, or 4 vectors.
function reach(model, vector, setting) {
  if (setting.op === "ablate") return 1;
  const one = Math.abs(share(model, vector, { ...setting, coef: 1 }) ?? 0);
  const wanted = Math.max(one > 0 ? 1 / one : 4, Math.abs(setting.coef));
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 3, 5, 10].map((step) => step * power).find((end) => end >= wanted * 0.999);
}

// The sidebar. `changed` is called after every change.
export function controls(model, steer, presets, changed) {
  const tabs = h("div.segments", { role: "group", "aria-label": "Column whose steering is edited" });
  const sliders = h("div.sliders");
  const drawn = () => {
    put(
      tabs,
      COLUMNS.slice(0, steer.two ? 2 : 1).map((letter, i) =>
        h(
          "button.segment",
          {
            type: "button",
            "aria-pressed": String(steer.edited === i),
            "data-column": letter,
            onclick: () => {
              steer.edited = i;
              drawn();
            },
          },
          h("span.letter", { "data-column": letter }, letter),
          steer.two ? (i === 0 ? "Left" : "Right") : "Answer",
        ),
      ),
    );
    const column = steer.columns[steer.edited];
    put(
      sliders,
      model.data.map((vector) => slider(model, vector, column.vectors[vector.name], presets, changed)),
      !model.data.length &&
        h(
          "p.muted.small",
          null,
          "No vectors are loaded. Make one under ",
          h("a", { href: "#vectors" }, "Vectors"),
          ", or start the server with ",
          h("code", null, "--vectors FILE"),
          ".",
        ),
    );
  };
  drawn();
  const reset = () => {
    for (const setting of Object.values(steer.columns[steer.edited].vectors)) setting.coef = 0;
    drawn();
    changed();
  };
  const swap = () => {
    steer.columns.reverse();
    drawn();
    changed();
  };
  const element = h(
    "div.side",
    null,
    h(
      "details.card.settings",
      // On a phone the conversation comes first.
      { open: !matchMedia("(max-width: 640px)").matches },
      h("summary", null, "Steering"),
      h(
        "div.row.between.side-top",
        null,
        tabs,
        h(
          "div.row.tight",
          null,
          h("button.button.button-quiet.button-small", { type: "button", onclick: swap, title: "Swap the columns’ steering", "aria-label": "Swap the columns’ steering" }, "⇄"),
          h("button.button.button-quiet.button-small", { type: "button", onclick: reset, title: "All coefficients to 0" }, "Reset"),
        ),
      ),
      sliders,
    ),
    sampling(steer, changed),
  );
  return { element, redraw: drawn };
}

function slider(model, vector, setting, presets, changed) {
  const id = unique("coef");
  const range = h("input.range", { id, type: "range", "aria-describedby": `${id}-share`, "data-vector": vector.name });
  const number = h("input.coef", { type: "number", step: "any", "aria-label": `${vector.name}: coefficient` });
  const told = h("output.share", { id: `${id}-share`, for: id });
  const show = () => {
    const end = reach(model, vector, setting);
    Object.assign(range, { min: setting.op === "ablate" ? 0 : -end, max: end, step: end / 100 });
    range.value = setting.coef;
    if (document.activeElement !== number) number.value = Number(setting.coef.toPrecision(3));
    const part = share(model, vector, setting);
    const percent = part === null ? null : Math.abs(100 * part);
    put(
      told,
      setting.coef === 0
        ? "off"
        : setting.op === "ablate"
          ? `removes ${Math.round(100 * setting.coef)} % of the direction`
          : percent === null
            ? setting.layer === "all"
              ? "increments at every layer"
              : ""
            : `${percent.toFixed(percent < 10 ? 1 : 0)} % of the residual’s norm`,
    );
    told.classList.toggle("strong", percent !== null && percent > 60);
    const middle = setting.op === "ablate" ? 0 : 50;
    const at = ((setting.coef - Number(range.min)) / (Number(range.max) - Number(range.min))) * 100;
    range.style.setProperty("--from", `${Math.min(middle, at)}%`);
    range.style.setProperty("--to", `${Math.max(middle, at)}%`);
  };
  const set = (coef) => {
    setting.coef = Number.isFinite(coef) ? Number(coef.toPrecision(4)) : 0;
    show();
    changed();
  };
  range.addEventListener("input", () => set(range.valueAsNumber));
  range.addEventListener("dblclick", () => set(0));
  number.addEventListener("input", () => number.value !== "" && set(number.valueAsNumber));
  number.addEventListener("blur", show);
  const choice = (name, values, text) => {
    const select = h(
      "select",
      {
        "aria-label": `${vector.name}: ${name}`,
        onchange: () => {
          const value = select.value;
          setting[name] = name === "layer" && value !== "all" ? Number(value) : value;
          if (setting.op === "ablate") setting.coef = Math.min(1, Math.abs(setting.coef));
          show();
          changed();
        },
      },
      values.map((value) => h("option", { value, selected: setting[name] === value }, text(value))),
    );
    return select;
  };
  const layers = vector.norms.map((_, i) => i + 1).filter((layer) => vector.norms[layer - 1] > 0);
  const known = presets.filter((preset) => preset.vector === vector.name);
  const element = h(
    "div.slider",
    null,
    h("div.slider-head", null, h("label", { for: id }, vector.name), number),
    range,
    h("div.slider-told", null, told),
    h(
      "div.slider-where",
      null,
      choice("layer", [...layers, "all"], (layer) => (layer === "all" ? "all layers" : `layer ${layer}`)),
      choice("positions", model.positions, (positions) => (positions === "all" ? "all tokens" : positions)),
      choice("op", model.ops, (op) => op),
    ),
    known.length > 0 &&
      h(
        "div.presets",
        null,
        known.map((preset) =>
          h(
            "button.preset",
            {
              type: "button",
              title: `From the run ${preset.run}, ${preset.rule} rule`,
              onclick: () => {
                Object.assign(setting, { layer: preset.layer, positions: preset.positions, op: "add" });
                element.querySelectorAll("select")[0].value = String(preset.layer);
                element.querySelectorAll("select")[1].value = preset.positions;
                element.querySelectorAll("select")[2].value = "add";
                set(preset.coef);
              },
            },
            `${signed(preset.coef, digits(preset.coef))} @ ${preset.layer}`,
            preset.coherent_to != null && h("span.muted", null, ` coherent to ${Number(preset.coherent_to.toPrecision(3))}`),
          ),
        ),
      ),
  );
  show();
  return element;
}

function sampling(steer, changed) {
  const number = (name, props) => {
    const input = h("input", {
      type: "number",
      value: steer.sampling[name],
      ...props,
      oninput: () => {
        steer.sampling[name] = name === "seed" ? input.value : input.valueAsNumber;
        changed();
      },
    });
    return input;
  };
  const system = h("textarea", { rows: 2, placeholder: "The template’s own", oninput: () => (steer.system = system.value) });
  system.value = steer.system;
  return h(
    "details.card.settings",
    null,
    h("summary", null, "Sampling and system prompt"),
    h(
      "div.settings-grid",
      null,
      field("Temperature", number("temperature", { min: 0, max: 2, step: 0.1 })),
      field("Top-p", number("top_p", { min: 0.05, max: 1, step: 0.05 })),
      field("Longest answer", number("max_tokens", { min: 1, step: 1 })),
      field("Seed", number("seed", { step: 1, placeholder: "new each time" })),
    ),
    field("System prompt", system),
  );
}
