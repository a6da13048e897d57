// The runs below --runs: what each is and how far, its curves while it learns, its report, and two studies side by side.

import { chartGroup, lineChart, short } from "./charts.js";

const PAUSE = 3000;
const STATES = { running: "", done: "good", failed: "bad", interrupted: "warn", unknown: "" };

export function mount(root, { api, dom }) {
  const { h, put } = dom;
  let leave = () => {};
  const turn = () => {
    leave();
    put(root);
    const [view, query] = location.hash.slice(1).split("?");
    const id = view.split("/")[1];
    const two = new URLSearchParams(query ?? "").getAll("compare");
    if (view.split("/")[0] !== "runs") leave = () => {};
    else if (two.length === 2) leave = compare(two);
    else if (id) leave = one(decodeURIComponent(id));
    else leave = list();
    scrollTo(0, 0);
  };

  const at = (id) => `/v1/runs/${encodeURIComponent(id)}`;
  const link = (id) => `#runs/${encodeURIComponent(id)}`;

  // Asks again and again while the page is looked at; what it gives ends that.
  function every(pause, ask) {
    let timer = null;
    let over = false;
    const go = async () => {
      const on = document.visibilityState === "visible" ? await ask() : true;
      if (!over && on !== false) timer = setTimeout(go, pause);
    };
    go();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }

  const badge = (state) => h("span.badge", { class: STATES[state] ?? "" }, state);

  function bar(run) {
    if (run.state === "done") return false;
    const element = h("progress", { max: 1, "aria-label": `progress of ${run.id}` });
    if (run.progress !== null) element.value = run.progress;
    if (run.progress === null && run.state !== "running") return false;
    return element;
  }

  function list() {
    const chosen = new Set();
    const filter = h("input", { type: "search", placeholder: "Filter by name, kind, model, trait, state", "aria-label": "Filter the runs" });
    const beside = h("button.button", { type: "button", disabled: true }, "Compare two studies");
    const body = h("div");
    let data = null;
    beside.addEventListener("click", () => (location.hash = `runs?${[...chosen].map((id) => `compare=${encodeURIComponent(id)}`).join("&")}`));
    filter.addEventListener("input", () => draw());
    root.append(
      h("div.view-head", null, h("h1", null, "Runs"), h("p.muted", null, "Everything below --runs, also what other shells and Slurm are at work on. Looking at it changes nothing.")),
      h("section.card.stack", null, h("div.row.run-tools", null, filter, beside), body),
    );

    function choose(id, on) {
      if (on) chosen.add(id);
      else chosen.delete(id);
      beside.disabled = chosen.size !== 2;
      for (const box of body.querySelectorAll("input[type=checkbox]")) box.disabled = chosen.size === 2 && !box.checked;
    }

    function draw() {
      if (!data) return;
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (run) => words.every((word) => `${run.id} ${run.kind} ${run.model ?? ""} ${run.trait ?? ""} ${run.state}`.toLowerCase().includes(word));
      const rows = data.filter(fits);
      const focused = body.contains(document.activeElement) ? document.activeElement.dataset.for : null;
      put(
        body,
        !data.length && h("p.muted", null, "No runs. Start the server with --runs DIR; extract, train, layers, eval and study write such folders."),
        data.length > 0 && !rows.length && h("p.muted", null, "No run fits the filter."),
        rows.length > 0 &&
          h(
            "div.scroll",
            { tabindex: 0, role: "region", "aria-label": "The runs" },
            h(
              "table.table.runs",
              null,
              h("thead", null, h("tr", null, ["", "Run", "What", "State", "Progress", "Last written", "Report"].map((text) => (text ? h("th", { scope: "col" }, text) : h("td"))))),
              h("tbody", null, rows.map(row)),
            ),
          ),
      );
      if (focused) body.querySelector(`[data-for="${CSS.escape(focused)}"]`)?.focus();
      for (const box of body.querySelectorAll("input[type=checkbox]")) box.disabled = chosen.size === 2 && !box.checked;
    }

    function row(run) {
      const box = run.has_results && h("input", { type: "checkbox", checked: chosen.has(run.id), "aria-label": `compare ${run.id}`, "data-for": run.id, onchange: (event) => choose(run.id, event.target.checked) });
      return h(
        "tr",
        null,
        h("td", null, box),
        h("th", { scope: "row" }, h("a", { href: link(run.id), "data-for": `link ${run.id}` }, run.id)),
        h("td", null, run.kind, h("div.muted.small", null, [run.model, run.trait].filter(Boolean).join(" · "))),
        h("td", null, badge(run.state)),
        h("td.run-progress", null, bar(run), run.stage && h("div.small", null, run.stage), run.seconds_left !== null && h("div.muted.small", null, `about ${span(run.seconds_left)} left`)),
        h("td.small", null, ago(run.updated)),
        h("td.small", null, run.has_report && h("a", { href: `${link(run.id)}?report` }, "report")),
      );
    }

    return every(PAUSE, async () => {
      try {
        const now = (await api.getJson("/v1/runs")).data;
        const same = JSON.stringify(now) === JSON.stringify(data);
        data = now;
        if (!same) draw();
      } catch (e) {
        put(body, dom.error(e.message));
      }
    });
  }

  function one(id) {
    const head = h("section.card.stack");
    const curves = h("section.card.charts", { hidden: true }, h("h2", null, "Curves"));
    const results = h("section.card.stack", { hidden: true });
    const figures = h("section.card.stack", { hidden: true });
    const report = h("section.card.stack", { hidden: true });
    const settings = h("section.card.stack", { hidden: true });
    root.append(h("p", null, h("a", { href: "#runs" }, "← All runs")), h("div.stack", null, head, curves, results, figures, report, settings));
    const drawn = new Map();
    const group = chartGroup();
    let results_shown = false;
    let last = null;

    async function draw() {
      let run;
      try {
        run = await api.getJson(at(id));
      } catch (e) {
        put(head, h("h1", null, id), dom.error(e.message));
        return e.status !== 404;
      }
      const now = JSON.stringify({ ...run, report: null });
      if (now !== last) drawHead(run);
      last = now;
      await drawCurves();
      if (run.has_results && !results_shown) {
        results_shown = true;
        await drawResults();
      }
      drawRest(run);
      return run.state === "running" || run.state === "unknown";
    }

    function drawHead(run) {
      const fact = (name, value) => value && h("div", null, h("dt", null, name), h("dd", null, value));
      put(
        head,
        h("div.row", null, h("h1", null, id), badge(run.state), h("span.badge", null, run.kind)),
        run.title && h("p", null, h("b", null, run.title)),
        run.verdict && h("p", null, run.verdict),
        h("div.run-bar", null, bar(run), run.stage && h("span", null, run.stage)),
        h(
          "dl.facts",
          null,
          fact("Model", run.model),
          fact("Trait", run.trait),
          fact("Begun", run.started && clock(run.started)),
          fact("Last written", ago(run.updated)),
          fact("Time left", run.seconds_left !== null && `about ${span(run.seconds_left)}`),
        ),
        h("div.command", null, h("code", null, run.command), copy(run.command)),
        run.tasks && tasks(run.tasks),
      );
    }

    // What is drawn once.
    function drawRest(run) {
      if (run.has_report && report.hidden) {
        report.hidden = false;
        const frame = h("iframe.report", { src: run.report, title: `Report of ${id}`, sandbox: "" });
        put(report, h("div.row", null, h("h2", null, "Report"), h("a.button.chart-end", { href: run.report, target: "_blank", rel: "noopener" }, "Open alone")), frame);
        if (location.hash.endsWith("?report")) report.scrollIntoView();
      }
      if (settings.hidden) {
        settings.hidden = false;
        const block = (title, value) => value && h("details", null, h("summary", null, title), h("pre.said", { tabindex: 0 }, JSON.stringify(value, null, 2)));
        put(settings, h("h2", null, "Settings"), block("run.toml", run.settings), block("What went in: hashes, seeds, device", run.lock), block("Answers that were kept", run.diagnosis));
      }
    }

    async function drawCurves() {
      const { data, finetunes } = await api.getJson(`${at(id)}/curves`).catch(() => ({ data: [], finetunes: 0 }));
      curves.hidden = !data.length;
      for (const chart of data) {
        if (drawn.has(chart.key)) drawn.get(chart.key).update(chart.series);
        else {
          drawn.set(chart.key, lineChart({ ...chart, group }));
          curves.append(drawn.get(chart.key));
        }
      }
      const most = data.reduce((n, chart) => Math.max(n, chart.series.length), 0);
      if (finetunes > most && data.length && !curves.querySelector(".more")) curves.append(h("p.muted.small.more", null, `The first ${most} of ${finetunes} finetunes are shown.`));
    }

    async function drawResults() {
      const [table, list] = await Promise.all([api.getJson(`${at(id)}/table`), api.getJson(`${at(id)}/figures`)]).catch(() => []);
      if (!table) return;
      results.hidden = false;
      put(results, h("h2", null, "Table"), tableOf([table]), expectations(table));
      figures.hidden = !list.data.length;
      put(figures, h("h2", null, "Figures"), list.data.map((figure) => picture(figure)));
    }

    return every(PAUSE, draw);
  }

  const LOOKS = { done: "good", failed: "bad", interrupted: "warn", stale: "warn" };

  function tasks(all) {
    const count = (state) => all.filter((task) => task.state === state).length;
    const words = ["done", "under_way", "waiting", "interrupted", "failed", "stale"].filter(count).map((state) => `${count(state)} ${state.replace("_", " ")}`);
    const row = (task) =>
      h(
        "tr",
        null,
        h("th", { scope: "row" }, task.label || task.name),
        h("td", null, h("span.badge", { class: LOOKS[task.state] ?? "" }, task.state.replace("_", " "))),
        h("td.small", null, task.state === "under_way" || task.state === "interrupted" ? [task.phase, task.steps && `step ${task.steps[0]} of ${task.steps[1]}`, task.loss !== null && `loss ${short(task.loss)}`].filter(Boolean).join(", ") : task.error),
        h("td.small.number", null, task.seconds !== null && span(task.seconds)),
      );
    const busy = all.some((task) => task.state === "under_way" || task.state === "failed");
    const open = root.querySelector("details.tasks")?.open ?? busy;
    return h("details.tasks", { open }, h("summary", null, `${all.length} tasks: ${words.join(", ")}`), h("div.scroll", null, h("table.table", null, h("tbody", null, all.map(row)))));
  }

  // The arms of one study or of two, row by row.
  function tableOf(tables, names) {
    const axes = [];
    for (const table of tables) for (const axis of table.axes) if (!axis.aside && !axes.some((a) => a.key === axis.key)) axes.push(axis);
    const key = (row) => `${row.arm} ${row.coef ?? ""}`;
    const rows = new Map();
    tables.forEach((table, i) =>
      table.rows.forEach((row) => {
        if (!rows.has(key(row))) rows.set(key(row), { label: row.label, note: row.note, coef: row.coef, of: [] });
        rows.get(key(row)).of[i] = row;
      }),
    );
    const two = tables.length > 1;
    const value = (row, axis) => {
      const v = row?.values[axis.key];
      if (!v || v.mean === null) return h("td.number.muted", null, "–");
      const between = v.low !== null && v.high !== null;
      return h("td.number", { title: `n = ${v.n}` }, short(v.mean), between && h("div.muted.small.nowrap", null, `${short(v.low)} to ${short(v.high)}`));
    };
    const difference = ([a, b], axis) => {
      const [x, y] = [a?.values[axis.key]?.mean, b?.values[axis.key]?.mean];
      if (x === undefined || y === undefined || x === null || y === null) return h("td.number.muted", null, "–");
      const better = axis.better === "lower" ? y < x : y > x;
      return h("td.number", { class: y === x ? "muted" : better ? "better" : "worse" }, y === x ? "0" : `${y < x ? "−" : "+"}${short(Math.abs(y - x))}`);
    };
    return h(
      "div.scroll",
      { tabindex: 0, role: "region", "aria-label": "Results" },
      h(
        "table.table.results",
        null,
        h(
          "thead",
          null,
          h("tr", null, h("th", { scope: "col", rowspan: two ? 2 : 1 }, "Arm"), h("th.number", { scope: "col", rowspan: two ? 2 : 1 }, "Coef."), axes.map((axis) => h("th.number", { scope: "colgroup", colspan: two ? 3 : 1 }, axis.name, h("div.muted.small", null, `${axis.unit}, ${axis.better} is better`)))),
          two && h("tr", null, axes.map(() => [names.map((name) => h("th.number", { scope: "col" }, name)), h("th.number.nowrap", { scope: "col" }, "B − A")])),
        ),
        h(
          "tbody",
          null,
          [...rows.values()].map((row) =>
            h(
              "tr",
              null,
              h("th", { scope: "row", title: row.note }, row.label),
              h("td.number", null, row.coef ?? ""),
              axes.map((axis) => [tables.map((_, i) => value(row.of[i], axis)), two && difference(row.of, axis)]),
            ),
          ),
        ),
      ),
    );
  }

  function expectations({ expectations: all }) {
    if (!all.length) return false;
    const sign = (met) => (met === true ? h("span.badge.good", null, "met") : met === false ? h("span.badge.bad", null, "not met") : h("span.badge", null, "open"));
    return h("details", { open: true }, h("summary", null, "Expectations and findings"), h("ul.expectations", null, all.map((e) => h("li", null, sign(e.met), h("span", null, h("b", null, e.claim), " ", e.measured)))));
  }

  // A figure as the study wrote it. An image runs no script.
  function picture(figure) {
    const url = URL.createObjectURL(new Blob([figure.svg], { type: "image/svg+xml" }));
    const image = h("img", { src: url, alt: figure.title, onload: () => URL.revokeObjectURL(url) });
    return h("figure.picture", null, h("figcaption", null, h("h3", null, figure.title)), image, figure.caption && h("p.muted.small", null, figure.caption));
  }

  function compare(ids) {
    const body = h("div.stack");
    let over = false;
    root.append(h("p", null, h("a", { href: "#runs" }, "← All runs")), body);
    const all = (what) => Promise.all(ids.map((id) => api.getJson(`${at(id)}/${what}`)));
    (async () => {
      try {
        const [tables, figures, curves] = [await all("table"), await all("figures"), await all("curves")];
        if (over) return;
        const files = [...new Set(figures.flatMap((list) => list.data.map((figure) => figure.file)))];
        const side = (file, i) => figures[i].data.find((figure) => figure.file === file);
        const losses = curves.map((list) => list.data.find((chart) => chart.key === "loss")).filter(Boolean);
        put(
          body,
          h("section.card.stack", null, h("h1", null, "Two studies side by side"), h("div.pair", null, ids.map((id, i) => h("div", null, h("span.badge", null, "AB"[i]), " ", h("a", { href: link(id) }, id), h("p", null, h("b", null, tables[i].title)), h("p.muted.small", null, tables[i].subtitle), h("p.small", null, tables[i].verdict))))),
          h("section.card.stack", null, h("h2", null, "Table"), tableOf(tables, ["A", "B"])),
          h("section.card.stack", null, h("h2", null, "Figures"), files.map((file) => h("div.pair", null, [0, 1].map((i) => (side(file, i) ? picture(side(file, i)) : h("p.muted", null, `${"AB"[i]} has no figure “${file}”.`)))))),
          losses.length === 2 && h("section.card.stack", null, h("h2", null, "Training loss"), h("div.pair", null, losses.map((chart, i) => lineChart({ ...chart, title: `${"AB"[i]}: ${chart.title}` })))),
        );
      } catch (e) {
        put(body, dom.error(e.message));
      }
    })();
    return () => (over = true);
  }

  function copy(text) {
    const button = h("button.button.button-quiet.small", { type: "button" }, "Copy");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text).then(
        () => put(button, "Copied"),
        () => put(button, "Not allowed"),
      );
      setTimeout(() => put(button, "Copy"), 1500);
    });
    return button;
  }

  addEventListener("hashchange", turn);
  turn();
  return () => {
    removeEventListener("hashchange", turn);
    leave();
  };
}

// A length of time in its largest unit.
export function span(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

const ago = (then) => (then === null || then === undefined ? "–" : `${span(Math.max(0, Date.now() / 1000 - then))} ago`);
const clock = (then) => new Date(then * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
