// The vectors that requests may name, how alike they are, and new ones made while the server answers.

import { lineChart, spark, cosineTable } from "./charts.js";

const JUDGES = {
  harbor: "Harbor’s own rules (no key)",
  local: "this model, by a number (no key)",
  "local-yes-no": "this model, by yes or no (no key; for small models)",
  sentiment: "VADER’s lexicon (no key; cheerful or gloomy traits)",
  openai: "a paid judge, with the server’s key",
};
const PAUSE = 1500;

export function mount(root, { api, dom, state }) {
  const { h, put } = dom;
  const list = h("section.card");
  const norms = h("section.card");
  const cosines = h("section.card");
  const make = h("section.card.make");
  const jobs = h("div.jobs", { "aria-live": "polite" });
  root.append(
    h("div.view-head", null, h("h1", null, "Vectors"), h("p.muted", null, "Directions of traits in this model’s residual stream. Requests name them; Steer has a slider for each.")),
    h("div.vectors", null, h("div.stack", null, list, norms, cosines), h("aside.stack", null, make)),
  );
  let timer = null;
  let gone = false;
  let known = new Map();
  let layer = null;

  async function load() {
    try {
      const answer = await api.getJson("/v1/vectors");
      if (gone) return;
      show(answer);
      if (!make.firstChild) form(answer);
    } catch (e) {
      if (!gone) put(list, dom.error(e.message));
    }
  }

  function show({ data, names, cosines: by, layers }) {
    put(
      list,
      h("h2", null, data.length === 1 ? "1 vector" : `${data.length} vectors`),
      data.length
        ? h(
            "div.scroll",
            { tabindex: 0, role: "region", "aria-label": "The vectors" },
            h(
              "table.table",
              null,
              h("thead", null, h("tr", null, ["Name", "Trait", "Norm by layer", "Made from", "Judge", "More"].map((text) => h("th", { scope: "col" }, text)))),
              h("tbody", null, data.map(row)),
            ),
          )
        : h("p.muted", null, "None yet. Make one here, or start the server with --vectors or --runs."),
    );
    norms.hidden = cosines.hidden = !data.length;
    if (!data.length) return;
    const series = data.map((one) => ({ name: one.name, points: one.norms.map((x, i) => [i + 1, x]) }));
    put(norms, lineChart({ title: "Norm of each vector by layer", x: "layer", y: "norm", series, atZero: true, whole: true }));
    layer = Math.min(layer ?? Math.ceil(layers / 2), layers);
    const table = h("div");
    const told = h("output");
    const turn = () => {
      put(told, `layer ${layer}`);
      put(table, cosineTable(names, by[layer - 1].cosines));
    };
    const slider = h("input", { type: "range", min: 1, max: layers, value: layer, oninput: () => ((layer = Number(slider.value)), turn()) });
    slider.setAttribute("aria-label", "Layer of the cosines");
    put(cosines, h("div.row", null, h("h2", null, "Cosines"), h("span.row.cosine-layer", null, slider, told)), table);
    turn();
  }

  function row(one) {
    const kept = one.n_pos !== null && one.n_pos !== undefined ? `${one.n_pos} + ${one.n_neg} answers` : "–";
    const warned = one.warnings.length > 0;
    return h(
      "tr",
      null,
      h("th", { scope: "row" }, one.name, h("div.muted.small", null, one.model ?? "")),
      h("td", null, one.trait ?? "–"),
      h("td", null, spark(one.norms, `norms ${one.norms.map((x) => x.toFixed(1)).join(", ")}`)),
      h("td", null, kept, h("div.muted.small", null, one.positions.join(", "))),
      h("td", null, one.judge ?? "–"),
      h(
        "td",
        null,
        warned && h("details", null, h("summary.badge.warn", null, `${one.warnings.length} to look at`), h("ul.warnings", null, one.warnings.map((text) => h("li", null, text)))),
        one.run && h("a.small", { href: `#runs/${encodeURIComponent(one.run)}` }, "run"),
      ),
    );
  }

  function form({ traits, judges }) {
    if (!traits.length) return put(make, h("h2", null, "Make a vector"), h("p.muted", null, "This server has no folder to make vectors in: start it with --runs."));
    const trait = h("select", null, traits.map((name) => h("option", { value: name }, name)));
    const name = h("input", { type: "text", maxlength: 64, pattern: "[A-Za-z0-9._\\-]*", placeholder: "as the trait", autocomplete: "off", spellcheck: "false" });
    const judge = h("select", null, judges.map((one) => h("option", { value: one }, JUDGES[one] ?? one)));
    const budget = h("input", { type: "text", placeholder: "500 or 2.50usd", autocomplete: "off" });
    const paid = dom.field("It may cost (calls or an amount)", budget);
    const quick = h("input", { type: "checkbox", checked: true, id: dom.unique("quick") });
    const failed = h("div");
    const turn = () => (paid.hidden = judge.value !== "openai");
    judge.addEventListener("change", turn);
    const order = async (event) => {
      event.preventDefault();
      put(failed);
      const wanted = { trait: trait.value, name: name.value.trim() || undefined, judge: judge.value, quick: quick.checked };
      if (judge.value === "openai") wanted.budget = budget.value.trim();
      try {
        await api.postJson("/v1/vectors", wanted);
        name.value = "";
        watch();
      } catch (e) {
        put(failed, dom.error(e.message));
      }
    };
    put(
      make,
      h("h2", null, "Make a vector"),
      h(
        "p.muted.small",
        null,
        "The model answers questions under prompts that call for the trait and against it, a judge scores the answers, and the vector is the difference of their mean activations. Chats go on meanwhile, more slowly.",
      ),
      h(
        "form.stack",
        { onsubmit: order },
        dom.field("Trait", trait),
        dom.field("Name", name),
        dom.field("Judge", judge),
        paid,
        h("label.row.check.small", { for: quick.id }, quick, "A first look: half of the questions, short answers"),
        failed,
        h("button.button.button-primary", { type: "submit" }, "Make it"),
      ),
      jobs,
    );
    turn();
    return watch();
  }

  // Follows the jobs until none is at work.
  async function watch() {
    clearTimeout(timer);
    try {
      const { data } = await api.getJson("/v1/jobs");
      if (gone) return;
      const ended = data.some((job) => job.state === "done" && known.get(job.job) && known.get(job.job) !== "done");
      known = new Map(data.map((job) => [job.job, job.state]));
      put(jobs, data.reverse().slice(0, 8).map(card));
      if (ended) {
        state.model = await api.getJson("/v1/steering");
        load();
      }
      if (data.some((job) => job.state === "running" || job.state === "queued")) timer = setTimeout(watch, PAUSE);
    } catch (e) {
      if (gone) return;
      put(jobs, dom.error(e.message));
      timer = setTimeout(watch, 4 * PAUSE);
    }
  }

  const LOOK = { done: "good", failed: "bad", stopped: "warn", running: "", queued: "" };

  function card(job) {
    const busy = job.state === "running" || job.state === "queued";
    const stop = async () => {
      await api.remove(`/v1/jobs/${job.job}`).catch(() => {});
      watch();
    };
    const bar = h("progress", { max: 1, "aria-label": `${job.wanted.name}: ${job.stage ?? job.state}` });
    if (job.progress !== null && job.progress !== undefined) bar.value = job.progress;
    return h(
      "article.job",
      null,
      h("div.row", null, h("b", null, job.wanted.name), h("span.badge", { class: LOOK[job.state] }, job.state), busy && h("button.button.button-quiet.small.job-stop", { type: "button", onclick: stop }, "Stop")),
      job.state === "running" && h("div.job-bar", null, bar, h("span.muted.small", null, job.stage ? `${job.stage}${job.progress === null ? "" : ` ${Math.round(job.progress * 100)} %`}` : "loading the model")),
      job.state === "failed" ? dom.error(job.message) : job.message && h("details", null, h("summary.small", null, "What it said"), h("pre.said", null, job.message)),
      job.warnings.length > 0 && h("ul.warnings", null, job.warnings.map((text) => h("li", null, text))),
    );
  }

  load();
  return () => {
    gone = true;
    clearTimeout(timer);
  };
}
