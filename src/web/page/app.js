// The frame: tabs by the location's hash, the model's name, the key, light and dark.

import * as api from "./api.js";
import * as dom from "./dom.js";
import * as steer from "./steer.js";
import * as vectors from "./vectors.js";
import * as runs from "./runs.js";

const { h, put } = dom;
const VIEWS = { steer, vectors, runs };
const view = document.getElementById("view");
// `model` is what GET /v1/steering answers; what a view keeps for its return it puts beside.
const state = { model: null };
let leave = () => {};
let shown = null;

const wanted = () => location.hash.slice(1).split(/[/?]/)[0];
const name = () => (wanted() in VIEWS ? wanted() : "steer");

async function show() {
  if (wanted() === "view") return;
  if (shown === name() && state.model) return;
  shown = name();
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash === `#${shown}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  leave();
  leave = () => {};
  try {
    state.model = await api.getJson("/v1/steering");
    label();
    put(view);
    document.title = `${shown[0].toUpperCase()}${shown.slice(1)} · Trimtab`;
    leave = VIEWS[shown].mount(view, { api, dom, state }) ?? (() => {});
  } catch (e) {
    if (e.status !== 401) {
      put(view, h("div.card.narrow", null, dom.error(e.message), h("button.button", { type: "button", onclick: again }, "Try again")));
    }
    shown = null;
  }
}

const again = () => {
  shown = null;
  show();
};

function label() {
  const chip = document.getElementById("model");
  put(chip, state.model.model);
  chip.title = `${state.model.layers} layers, ${state.model.data.length} vectors`;
  chip.hidden = false;
}

// The server has a key: ask for it where the content would be.
function askForKey(wrong) {
  const input = h("input", { type: "password", autocomplete: "off", required: true });
  const use = (event) => {
    event.preventDefault();
    api.setKey(input.value.trim());
    again();
  };
  put(
    view,
    h(
      "form.card.narrow",
      { onsubmit: use },
      h("h1", null, "This server needs a key"),
      h("p.muted", null, "It was given to ", h("code", null, "trimtab serve --api-key"), ". It is kept until this tab is closed."),
      wrong && dom.error("The key is not this server’s."),
      dom.field("API key", input),
      h("button.button.button-primary", { type: "submit" }, "Continue"),
    ),
  );
  input.focus();
}

api.onKeyWanted(() => {
  const wrong = Boolean(api.key());
  api.setKey(null);
  queueMicrotask(() => askForKey(wrong));
});

// The button changes the theme that theme.js has set, and keeps the choice.
const theme = document.getElementById("theme");
const isDark = () => document.documentElement.dataset.theme === "dark";
const paint = () => put(theme, isDark() ? "☀" : "☾");
addEventListener("themechange", paint);
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem("trimtab-theme", document.documentElement.dataset.theme);
  dispatchEvent(new Event("themechange"));
});
paint();

addEventListener("hashchange", show);
show();
