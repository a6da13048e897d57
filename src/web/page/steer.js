// A conversation with one or two columns that answer the same words under different steering, from one batch and one seed.

import { h, put, error } from "./dom.js";
import { COLUMNS, fresh, complete, controls, steering, summary, usualLayer } from "./controls.js";
import * as see from "./see.js";
import { curl, python, command } from "./commands.js";

export function mount(root, { api, state }) {
  const model = state.model;
  const steer = (state.steer ??= fresh(model));
  complete(steer, model);
  let abort = null;

  const thread = h("div.thread");
  const heads = h("div.heads");
  const composer = h("textarea.words", {
    rows: 2,
    placeholder: "Ask both columns something…",
    "aria-label": "Message",
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
    },
  });
  const go = h("button.button.button-primary.send", { type: "button", onclick: () => (abort ? abort.abort() : send()) }, "Send");
  const again = h("button.button", { type: "button", onclick: regenerate, title: "Answer the last message again, from another seed" }, "Regenerate");
  const clear = h(
    "button.button.button-quiet",
    {
      type: "button",
      onclick: () => {
        abort?.abort();
        steer.turns = [];
        redraw();
        composer.focus();
      },
    },
    "Clear",
  );
  const said = h("p.visually-hidden", { role: "status" });

  const columns = () => COLUMNS.slice(0, steer.two ? 2 : 1);
  const last = () => steer.turns.at(-1);

  // ------------------------------------------------------------------------------------------------- asking

  function messages(column, turns) {
    const before = steer.system.trim() ? [{ role: "system", content: steer.system.trim() }] : [];
    const all = turns.flatMap((turn, i) => [
      { role: "user", content: turn.words },
      ...(i + 1 < turns.length ? [{ role: "assistant", content: (turn.answers[column] ?? turn.answers[0]).text }] : []),
    ]);
    return [...before, ...all];
  }

  // Columns share their messages until their answers differ.
  function body(turns, seed) {
    const of = columns().map((_, i) => messages(i, turns));
    const same = of.every((one) => JSON.stringify(one) === JSON.stringify(of[0]));
    const variants = of.map((own, i) => ({ steering: steering(steer.columns[i]), ...(same ? {} : { messages: own }) }));
    // An empty field is left to the server.
    const given = ["temperature", "top_p", "max_tokens"].filter((name) => Number.isFinite(steer.sampling[name]));
    const sampling = Object.fromEntries(given.map((name) => [name, steer.sampling[name]]));
    return { model: model.model, ...(same ? { messages: of[0] } : {}), variants, ...sampling, seed };
  }

  const draw = () => Math.floor(Math.random() * 2 ** 31);
  const pinned = () => (steer.sampling.seed === "" ? null : Math.trunc(Number(steer.sampling.seed)));

  function send() {
    const words = composer.value.trim();
    if (!words || abort) return;
    composer.value = "";
    steer.turns.push({ words, answers: [] });
    answer(pinned() ?? draw());
  }

  function regenerate() {
    if (last() && !abort) answer(pinned() ?? draw());
  }

  async function answer(seed) {
    const turn = last();
    const places = steer.see.vector ? see.probes(model, steer.see.vector) : [];
    turn.request = body(steer.turns, seed);
    turn.seed = seed;
    turn.answers = columns().map((letter, i) => ({
      letter,
      told: summary(steer.columns[i]),
      text: "",
      tokens: [],
      before: null,
      probes: places,
      state: "running",
      open: turn.answers[i]?.open ?? false,
      decoder: new TextDecoder(),
      began: performance.now(),
    }));
    abort = new AbortController();
    redraw();
    thread.lastElementChild?.scrollIntoView({ block: "nearest" });
    try {
      const wanted = { ...turn.request, probes: see.asked(places), stream: true };
      await api.stream("/v1/compare", wanted, (chunk) => chunk.choices.forEach((choice) => hear(turn, choice)), abort.signal);
    } catch (e) {
      for (const one of turn.answers.filter(({ state }) => state === "running")) {
        one.state = e.name === "AbortError" ? "stopped" : "failed";
        if (one.state === "failed") one.error = e.message;
      }
    }
    abort = null;
    redraw();
    put(said, turn.answers.map(({ letter, text }) => `${letter}: ${text} `));
  }

  function hear(turn, { index, delta, tokens, prompt_tokens, finish_reason, steering: applied }) {
    const one = turn.answers[index];
    if (prompt_tokens) one.before = prompt_tokens.at(-1).projections;
    if (delta?.content) one.text += delta.content;
    const from = one.tokens.length;
    for (const { bytes, projections } of tokens ?? []) {
      one.tokens.push({ text: one.decoder.decode(new Uint8Array(bytes), { stream: true }), projections });
    }
    one.count = (one.count ?? 0) + (delta?.content || tokens ? 1 : 0);
    if (finish_reason) {
      one.state = finish_reason;
      one.applied = applied;
      one.seconds = (performance.now() - one.began) / 1000;
    }
    one.show?.(from);
  }

  // ----------------------------------------------------------------------------------------------- showing

  let scale = null;

  function rescale() {
    scale = steer.see.vector && steer.see.on ? new see.Scale(model, steer) : null;
    legend();
  }

  function answerCard(turn, one) {
    const label = `Answer ${one.letter}, ${one.told}`;
    const meta = h("span.muted.small.meta");
    const text = h("div.text");
    const foot = h("div");
    let tokens = null;
    const states = { length: "cut at the limit", stopped: "stopped", failed: "failed" };
    const showMeta = () => {
      const speed = one.seconds && one.count ? `${one.count} tokens, ${(one.count / one.seconds).toFixed(0)}/s` : "";
      put(meta, one.state === "running" ? h("span.pulse", null, "answering…") : [speed, states[one.state]].filter(Boolean).join(" · "));
    };
    one.show = (from) => {
      if (one.tokens.length && scale && !tokens) {
        tokens = see.tokensView(one, `${label}: tokens coloured by ${scale.vector}; arrow keys read them`);
        tokens.paint(scale);
        put(text, tokens.element);
      } else if (tokens) tokens.add(one.tokens.slice(from), from);
      else put(text, one.text);
      showMeta();
    };
    one.repaint = () => {
      if (Boolean(scale) !== Boolean(tokens)) {
        tokens = null;
        one.show(0);
      }
      tokens?.paint(scale);
      const has = scale && one.tokens.some((token) => scale.raw(one, token.projections) !== null);
      look.hidden = !has;
      put(foot, one.open && has && see.panel(one, scale, `${one.letter} ${one.told}`, chooseLayer));
      look.setAttribute("aria-expanded", String(Boolean(one.open && has)));
    };
    const look = h(
      "button.button.button-quiet.button-small.look",
      {
        type: "button",
        hidden: true,
        "aria-expanded": "false",
        onclick: () => {
          one.open = !one.open;
          one.repaint();
        },
      },
      "Layers × tokens",
    );
    const copy = h(
      "button.button.button-quiet.button-small",
      { type: "button", onclick: (event) => copied(event.target, one.text, "Copy") },
      "Copy",
    );
    const card = h(
      "article.answer",
      { "data-column": one.letter, "aria-label": label },
      h("header.answer-head", null, h("span.letter", { "data-column": one.letter }, one.letter), h("span.told", null, one.told), meta),
      text,
      one.error && error(one.error),
      h("div.row.tight.answer-foot", null, look, copy),
      foot,
    );
    one.show(0);
    if (one.state !== "running") one.repaint();
    return card;
  }

  function turnView(turn, i) {
    const words = h("div.user-words", null, turn.words);
    const edit = () => {
      const box = h("textarea", { "aria-label": "Edit the message", rows: 3 });
      box.value = turn.words;
      const save = () => {
        if (!box.value.trim() || abort) return;
        steer.turns.length = i + 1;
        turn.words = box.value.trim();
        answer(pinned() ?? turn.seed ?? draw());
      };
      put(
        user,
        h("div.grow", null, box, h("div.row.tight", null, h("button.button.button-primary.button-small", { type: "button", onclick: save }, "Ask again"), h("button.button.button-small", { type: "button", onclick: redraw }, "Cancel"))),
      );
      box.focus();
    };
    const user = h(
      "div.user",
      null,
      words,
      h("button.button.button-quiet.button-small", { type: "button", onclick: edit, "aria-label": `Edit message ${i + 1}` }, "Edit"),
    );
    return h("section.turn", { "aria-label": `Turn ${i + 1}` }, user, h("div.answers", { "data-columns": turn.answers.length }, turn.answers.map((one) => answerCard(turn, one))));
  }

  function redraw() {
    rescale();
    see.hide();
    put(heads, columns().map((letter, i) => h("div.head", { "data-column": letter }, h("span.letter", { "data-column": letter }, letter), summary(steer.columns[i]))));
    heads.dataset.columns = columns().length;
    put(thread, steer.turns.map(turnView), !steer.turns.length && welcome());
    put(go, abort ? "Stop" : "Send");
    go.classList.toggle("stop", Boolean(abort));
    again.disabled = Boolean(abort) || !last();
    clear.disabled = !last();
    for (const button of share.querySelectorAll("button")) button.disabled = !last();
    composer.placeholder = steer.two ? "Ask both columns something…" : "Ask something…";
  }

  function welcome() {
    const examples = ["Give me some advice on making friends.", "Who are you?", "What should I do with a free afternoon?"];
    const ask = (words) => {
      composer.value = words;
      send();
    };
    return h(
      "div.welcome",
      null,
      h("h1", null, "What does a direction do?"),
      h(
        "p.muted",
        null,
        "Column A answers as the model is, column B under the steering that you set with the sliders. Both draw the same random numbers, so that what differs is the steering.",
      ),
      h("div.row", null, examples.map((words) => h("button.button.example", { type: "button", onclick: () => ask(words) }, words))),
    );
  }

  // ------------------------------------------------------------------------------------------- the toolbar

  const legendBox = h("div.legend");
  const pick = h(
    "select",
    { "aria-label": "Vector by which tokens are coloured", onchange: () => chooseVector(pick.value) },
    h("option", { value: "" }, "no colours"),
    model.data.map(({ name }) => h("option", { value: name }, name)),
  );
  const layer = h("input.layer", { type: "range", min: 1, max: model.layers, step: 1, "aria-label": "Layer by which tokens are coloured", oninput: () => chooseLayer(layer.valueAsNumber) });
  const layerTold = h("output.mono.small");

  function legend() {
    layer.hidden = layerTold.hidden = !steer.see.vector;
    layer.value = steer.see.layer ?? 1;
    put(layerTold, `layer ${steer.see.layer ?? ""}`);
    put(legendBox, scale && [h("span.small.muted", null, `−${scale.reach.toFixed(1)}`), h("span.ramp", { "aria-hidden": "true" }), h("span.small.muted", null, `+${scale.reach.toFixed(1)} vectors from neutral`)]);
  }

  function chooseLayer(value) {
    steer.see.layer = value;
    repaint();
  }

  function repaint() {
    rescale();
    steer.turns.forEach((turn) => turn.answers.forEach((one) => one.state !== "running" && one.repaint?.()));
  }

  async function chooseVector(name) {
    Object.assign(steer.see, { vector: name || null, on: Boolean(name) });
    pick.value = name ?? "";
    if (name) {
      const vector = model.data.find((vector) => vector.name === name);
      if (!(vector.norms[steer.see.layer - 1] > 0)) steer.see.layer = usualLayer(model, vector);
    }
    repaint();
    if (!name) return;
    try {
      await see.neutral(model, steer, name);
      repaint();
    } catch (e) {
      put(legendBox, error(`The neutral answer could not be measured: ${e.message}`));
    }
  }

  async function copied(button, text, name) {
    try {
      await navigator.clipboard.writeText(text);
      put(button, "Copied");
    } catch {
      put(button, "Not allowed here");
    }
    setTimeout(() => put(button, name), 1200);
  }

  const copyAs = (name, text) =>
    h("button.button.button-small", { type: "button", "data-copy": name, onclick: (event) => last() && copied(event.target, text(), name) }, name);
  const share = h(
    "div.row.tight.copies",
    { role: "group", "aria-label": "Copy the last request as" },
    h("span.label", null, "Copy as"),
    copyAs("curl", () => curl(location.origin, last().request, api.key())),
    copyAs("Python", () => python(location.origin, last().request, api.key())),
    copyAs("trimtab", () => command(model.model, last().request)),
  );
  const two = h(
    "div.segments.columns",
    { role: "group", "aria-label": "Columns" },
    [1, 2].map((n) =>
      h(
        "button.segment",
        {
          type: "button",
          "aria-pressed": String((n === 2) === steer.two),
          onclick: (event) => {
            if (abort) return;
            steer.two = n === 2;
            steer.edited = n - 1;
            for (const button of two.children) button.setAttribute("aria-pressed", String(button === event.target));
            side.redraw();
            redraw();
          },
        },
        n === 1 ? "One column" : "Two columns",
      ),
    ),
  );

  const changed = () =>
    heads.querySelectorAll(".head").forEach((head, i) => put(head, h("span.letter", { "data-column": COLUMNS[i] }, COLUMNS[i]), summary(steer.columns[i])));
  const sideBox = h("aside.sidebar", { "aria-label": "Settings" });
  let side = controls(model, steer, [], changed);
  put(sideBox, side.element);
  // Useful ranges from `layers` runs, if the server knows of any.
  api
    .getJson("/v1/presets")
    .then(({ data }) => {
      if (!data.length) return;
      side = controls(model, steer, data, changed);
      put(sideBox, side.element);
    })
    .catch(() => {});

  root.append(
    h(
      "div.steer",
      null,
      h("h1.visually-hidden", null, "Steer"),
      sideBox,
      h(
        "div.talk",
        null,
        h("div.toolbar.card", null, two, h("div.row.tight.colour", null, h("span.label", null, "Colour by"), pick, layer, layerTold), legendBox),
        heads,
        thread,
        said,
        h("div.composer.card", null, composer, h("div.row.between", null, h("div.row.tight", null, go, again, clear), share)),
      ),
    ),
  );
  const themed = () => repaint();
  addEventListener("themechange", themed);
  redraw();
  chooseVector(steer.see.vector ?? (steer.see.on ? model.data[0]?.name : null));
  return () => {
    abort?.abort();
    see.hide();
    removeEventListener("themechange", themed);
  };
}
