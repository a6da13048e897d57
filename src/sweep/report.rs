//! The run's results: the grid as a table, the choices for programs, heat map, curves, the page.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::outcome::LayersReport;
use super::positions::Compared;
use super::rules::{Cell, Choice, Rule};
use super::settings::Inputs;
use super::words::{expectations, notes, verdict};
use crate::Result;
use crate::judge::{JudgedAnswer, Rubric};
use crate::record::{Lock, RunDir, written};
use crate::report::content::{Axis, Point};
use crate::report::plot::{Better, Cells, Curve, Heat, Hue, Level, Lines, Mark, Panel, Picked};
use crate::report::{Arm, ArmKind, Cell as TableCell, Example, Figure, Plot, Study, Table, settings_of};
use crate::stats::Interval;
use crate::vector::Layer;

/// Key of the coherence axis, and its column.
const COHERENCE: &str = "coherence";
const BASE: &str = "base";

/// Writes `grid.csv`, `report.html`, the figures and `results.json`, and completes the report.
pub(super) fn write(inputs: &Inputs<'_>, lock: &Lock, run: &RunDir, report: &mut LayersReport) -> Result<()> {
    run.write("grid.csv", grid(inputs, report).csv().as_bytes())?;
    report.verdict = verdict(inputs, report);
    report.study = study(inputs, lock, report);
    report.files = report.study.render(run.path())?;
    report.files.push(run.file("grid.csv"));
    if let Some(compared) = &report.compared {
        let study = positions(inputs, lock, compared);
        report.files.extend(study.render(&run.file("positions"))?);
    }
    Ok(())
}

/// One or two answers of coefficient 0 and of each choice, always to the first questions.
pub(super) fn examples(rows: &[JudgedAnswer], choices: &[(Rule, Option<Choice>)], trait_name: &str) -> Vec<Example> {
    const EACH: usize = 2;
    let chosen = |row: &JudgedAnswer| {
        let is = |choice: &Choice| row.layer == choice.cell.layer && row.coef.map(written) == Some(choice.cell.coef);
        row.layer.is_none() || choices.iter().filter_map(|(_, choice)| choice.as_ref()).any(is)
    };
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    let mut examples = Vec::new();
    for row in rows.iter().filter(|row| row.rollout == 0 && chosen(row)) {
        let count = shown.entry(format!("{:?} {:?}", row.layer, row.coef)).or_default();
        *count += 1;
        if *count <= EACH {
            let verdict = row.verdicts.get(trait_name);
            let coherence = row.verdicts.get(Rubric::Coherence.key()).and_then(|v| v.score);
            let coherence = coherence.map_or_else(String::new, |c| format!(" (coherence {c:.0})"));
            examples.push(Example {
                arm: row.layer.map_or_else(|| BASE.to_owned(), arm_name),
                coef: row.layer.and(row.coef).map(written),
                axis: trait_name.to_owned(),
                question: row.question.clone(),
                answer: row.answer.clone(),
                reference: None,
                score: verdict.and_then(|v| v.score),
                why: verdict.map(|v| format!("{}{coherence}", v.why)).unwrap_or_default(),
            });
        }
    }
    examples
}

fn arm_name(layer: Layer) -> String {
    format!("layer-{}", layer.row())
}

/// Every cell, one number a column.
fn grid(inputs: &Inputs<'_>, report: &LayersReport) -> Table {
    let trait_ = &inputs.trait_.name;
    let mut columns: Vec<String> =
        ["layer", "block", "coef", "residual_fraction", "vector_norm", "residual_norm"].map(str::to_owned).to_vec();
    for axis in [trait_.as_str(), COHERENCE] {
        columns.extend(["", "_low", "_high", "_n"].map(|end| format!("{axis}{end}")));
    }
    columns.extend(["questions", "answers", "missing", "cut"].map(str::to_owned));
    let mut table = Table::new(columns);
    for cell in &report.cells {
        let norms = cell.layer.and_then(|layer| report.norms.get(layer.block()));
        let mut row: Vec<TableCell> = vec![
            cell.layer.map(|layer| layer.row()).into(),
            cell.layer.map(|layer| layer.block()).into(),
            cell.coef.into(),
            report.fraction(cell.layer, cell.coef).into(),
            norms.map(|n| written(n.vector)).into(),
            norms.map(|n| n.residual.mean).into(),
        ];
        for i in [&cell.score, &cell.coherence] {
            row.extend([i.mean.into(), i.low.into(), i.high.into(), i.n.into()]);
        }
        row.extend([cell.coherence.clusters.into(), cell.answers.into(), cell.missing.into(), cell.cut.into()]);
        table.push(row);
    }
    table
}

fn study(inputs: &Inputs<'_>, lock: &Lock, report: &LayersReport) -> Study {
    let config = inputs.config;
    let (axes, trait_) = (axes(&inputs.trait_.name), &inputs.trait_.name);
    let range = report.range.iter().flat_map(|range| &range.tried);
    let mut cells: Vec<&Cell> = report.cells.iter().collect();
    cells.extend(range.filter(|tried| !report.cells.iter().any(|c| (c.layer, c.coef) == (tried.layer, tried.coef))));
    let study = Study {
        title: format!("Where {trait_} is steered"),
        subtitle: format!(
            "{} · {} layers x {} coefficients · {} split",
            config.model,
            config.layers.len(),
            config.coefs.len(),
            config.split.key()
        ),
        verdict: report.verdict.join(" "),
        arms: arms(inputs, report),
        points: cells
            .into_iter()
            .map(|cell| point(cell, trait_, cell.layer.map_or(BASE.to_owned(), arm_name)))
            .collect(),
        expectations: expectations(report),
        examples: report.examples.clone(),
        notes: notes(inputs, report),
        settings: settings_of(inputs.config),
        lock: lock.rows(),
        arm_word: "layer".into(),
        found: found(report),
        axes,
        ..Study::default()
    };
    Study { figures: figures(inputs, report, &study), ..study }
}

fn axes(trait_name: &str) -> Vec<Axis> {
    let trait_ = crate::report::capital(trait_name);
    // Neither way is better: a vector that moves the trait is what is looked for.
    let score = Axis { better: Better::Higher, ..Axis::score(trait_name, &format!("{trait_} score"), &trait_) };
    let coherence = Axis::accuracy(COHERENCE, "Coherence of the answers", "Coherence", Hue::Blue, Mark::Square);
    vec![score, Axis { unit: "0–100".to_owned(), ..coherence }]
}

fn point(cell: &Cell, trait_name: &str, arm: String) -> Point {
    let values = BTreeMap::from([(trait_name.to_owned(), cell.score), (COHERENCE.to_owned(), cell.coherence)]);
    Point { arm, coef: cell.layer.map(|_| cell.coef), seed: None, seeds: 0, values }
}

fn arms(inputs: &Inputs<'_>, report: &LayersReport) -> Vec<Arm> {
    let layer = |&layer: &Layer| {
        let note = report.norms.get(layer.block()).map_or_else(String::new, |norms| {
            let percent = 100.0 * norms.fraction(1.0);
            format!("vector {:.3}, residual {:.2}: coefficient 1 is {percent:.1} %", norms.vector, norms.residual.mean)
        });
        Arm::new(&arm_name(layer), ArmKind::Layer, &layer.to_string()).note(&note)
    };
    std::iter::once(Arm::new(BASE, ArmKind::Base, "Unsteered")).chain(inputs.config.layers.iter().map(layer)).collect()
}

fn figures(inputs: &Inputs<'_>, report: &LayersReport, study: &Study) -> Vec<Figure> {
    let (config, trait_) = (inputs.config, &inputs.trait_.name);
    let caption = "Each cell is one layer steered by itself. Layer L is the output of block L - 1. Frames: the choices of the two rules. \
                   Cut corners: text that has lost its coherence.";
    let title = format!("{trait_}: every layer at every coefficient");
    let mut figures = vec![Figure::new("heatmap", &title, caption, Plot::Heat(heat_map(inputs, report, study)))];
    if config.layers.len() > 1 {
        let title = format!("{trait_} and coherence over the layers");
        let caption = "One curve for each coefficient. Bands: 95 % intervals, clustered by question.";
        let panels = study.axes.iter().map(|axis| over_layers(inputs, study, axis)).collect();
        figures.push(Figure::new("curves", &title, caption, scores("layer", "unsteered", panels)));
    }
    figures.extend(report.range.as_ref().map(|range| {
        let curve = |axis: &Axis| {
            let points = study.sweep(&arm_name(range.layer), Some(BASE), &axis.key);
            Curve::new(&axis.name, &axis.short, axis.hue, axis.mark, points)
        };
        let (title, x) = (range.layer.to_string(), "steering coefficient α".to_owned());
        let panel = Panel { title, x, curves: study.axes.iter().map(curve).collect(), levels: Vec::new() };
        let title = format!("{trait_} and coherence at {}", range.layer);
        let caption =
            "The search for the largest coefficient that leaves the text coherent, with the grid's own cells.";
        Figure::new("range", &title, caption, scores("coef", "", vec![panel]))
    }));
    figures
}

/// Panels of scores over layers, coefficients or norms.
fn scores(x: &str, level: &str, panels: Vec<Panel>) -> Plot {
    let [x, y, level] = [x, "score", level].map(str::to_owned);
    Plot::Lines(Lines { x, y, range: (0.0, 100.0), level, has_intervals: true, panels })
}

/// What was measured of a layer at a coefficient.
fn cell_value(study: &Study, layer: Layer, coef: f64, axis: &str) -> Option<Interval> {
    let point = study.pooled(&arm_name(layer)).into_iter().find(|point| point.coef == Some(coef))?;
    point.values.get(axis).copied()
}

fn heat_map(inputs: &Inputs<'_>, report: &LayersReport, study: &Study) -> Heat {
    let config = inputs.config;
    let layers = || config.layers.iter().rev();
    let grid = |axis: &str| -> Vec<Vec<Option<Interval>>> {
        let row = |&layer: &Layer| config.coefs.iter().map(|&coef| cell_value(study, layer, coef, axis)).collect();
        layers().map(row).collect()
    };
    let panel = |axis: &Axis| {
        let (key, title, hue) = (axis.key.clone(), axis.name.clone(), axis.hue);
        Cells { key, title, hue, range: axis.range, values: grid(&axis.key) }
    };
    let picked = report.choices.iter().filter_map(|(rule, choice)| {
        let cell = &choice.as_ref()?.cell;
        let label = match rule {
            Rule::Paper => format!("largest at {}", config.at),
            Rule::Coherent => format!("largest with coherence ≥ {}", config.min_coherence),
        };
        let row = layers().position(|layer| Some(*layer) == cell.layer)?;
        Some(Picked { label, row, column: config.coefs.iter().position(|coef| *coef == cell.coef)? })
    });
    let is_below = |value: &Option<Interval>| value.is_none_or(|i| i.mean.is_nan() || i.mean < config.min_coherence);
    let below = grid(COHERENCE).iter().map(|row| row.iter().map(is_below).collect()).collect();
    Heat {
        x: "steering coefficient α".into(),
        y: "layer".into(),
        rows: layers().map(|layer| (arm_name(*layer), layer.row().to_string())).collect(),
        columns: config.coefs.clone(),
        panels: study.axes.iter().map(panel).collect(),
        picked: picked.collect(),
        floor: Some((format!("coherence below {}", TableCell::from(config.min_coherence).shown()), below)),
    }
}

/// One measurement over the layers, a curve for each coefficient.
fn over_layers(inputs: &Inputs<'_>, study: &Study, axis: &Axis) -> Panel {
    // From cold to warm, unlike the hues that only tell things apart.
    const RISING: [Hue; 8] =
        [Hue::Sky, Hue::Blue, Hue::Green, Hue::Orange, Hue::Vermillion, Hue::Purple, Hue::Grey, Hue::Ink];
    let curve = |(i, &coef): (usize, &f64)| {
        let of = |&layer: &Layer| Some((layer.row() as f64, cell_value(study, layer, coef, &axis.key)?));
        let points = inputs.config.layers.iter().filter_map(of).collect();
        let (hue, mark) = (RISING[i % RISING.len()], Mark::nth(i));
        let at = TableCell::from(coef).shown();
        Curve::new(&format!("coefficient {at}"), &at, hue, mark, points)
    };
    let mut curves: Vec<Curve> = inputs.config.coefs.iter().enumerate().map(curve).collect();
    curves.retain(|curve| !curve.points.is_empty());
    let level = study.level(BASE, &axis.key);
    let level = level.map(|i| Level { label: "unsteered".into(), hue: Hue::Ink, value: i.mean });
    Panel { title: axis.name.clone(), x: "layer".into(), curves, levels: level.into_iter().collect() }
}

/// For programs.
fn found(report: &LayersReport) -> serde_json::Map<String, Value> {
    let choice = |choice: &Option<Choice>| {
        let Some(Choice { cell, runner_up }) = choice else { return Value::Null };
        json!({
            "layer": cell.layer,
            "block": cell.layer.map(|layer| layer.block()),
            "coef": cell.coef,
            "residual_fraction": report.fraction(cell.layer, cell.coef),
            "score": cell.score,
            "coherence": cell.coherence,
            "answers": cell.answers,
            "missing": cell.missing,
            "runner_up": runner_up.as_ref().map(|(layer, coef, above)| json!({ "layer": layer, "coef": coef, "below_by": above })),
        })
    };
    let mut found = serde_json::Map::new();
    for (rule, chosen) in &report.choices {
        let name = match rule {
            Rule::Paper => "paper_rule",
            Rule::Coherent => "coherent_rule",
        };
        found.insert(name.to_owned(), choice(chosen));
    }
    found.insert("published_layer".to_owned(), json!(report.published));
    found.insert("norms".to_owned(), json!(report.norms));
    for (name, value) in [
        ("confirmed", (!report.confirmed.is_empty()).then(|| json!(report.confirmed))),
        ("range", report.range.as_ref().map(|range| json!(range))),
        ("positions", report.compared.as_ref().map(|compared| json!(compared))),
    ] {
        found.extend(value.map(|value| (name.to_owned(), value)));
    }
    found
}

/// The comparison of token positions as a page of its own, since its coefficients are norms.
fn positions(inputs: &Inputs<'_>, lock: &Lock, compared: &Compared) -> Study {
    let trait_ = &inputs.trait_.name;
    let looks = [
        ("response_avg", Hue::Blue, Mark::Square),
        ("prompt_avg", Hue::Vermillion, Mark::Triangle),
        ("prompt_last", Hue::Green, Mark::Down),
    ];
    let mut arms = vec![Arm::new(BASE, ArmKind::Base, "Unsteered")];
    arms.extend(looks.map(|(name, hue, mark)| Arm { hue, mark, ..Arm::new(name, ArmKind::Position, name) }));
    let mut points = vec![point(&compared.base, trait_, BASE.to_owned())];
    for (name, cells) in &compared.positions {
        points.extend(cells.iter().map(|cell| point(cell, trait_, name.clone())));
    }
    let axes = axes(trait_);
    let mean = |cells: &[Cell]| crate::stats::mean(&cells.iter().map(|c| c.score.mean).collect::<Vec<_>>());
    let means = compared.positions.iter().map(|(name, cells)| format!("{name} {:.1}", mean(cells)));
    let study = Study {
        title: format!("Which token positions carry {trait_}"),
        subtitle: format!("{} · {} · evaluation split", inputs.config.model, compared.layer),
        verdict: format!(
            "{trait_} score over all norms, unsteered {:.1}: {}.",
            compared.base.score.mean,
            means.collect::<Vec<_>>().join(", ")
        ),
        arms,
        points,
        axes,
        settings: settings_of(inputs.config),
        lock: lock.rows(),
        arm_word: "position".into(),
        coef_word: "norm".into(),
        ..Study::default()
    };
    let panel = |axis: &Axis| {
        let curve =
            |arm: &Arm| Curve::new(&arm.label, "", arm.hue, arm.mark, study.sweep(&arm.name, Some(BASE), &axis.key));
        let curves = study.arms[1..].iter().map(curve).collect();
        Panel { title: axis.name.clone(), x: "norm of what is added".into(), curves, levels: Vec::new() }
    };
    let plot = scores("coef", "", study.axes.iter().map(panel).collect());
    let title = format!("{trait_}: directions of three token positions at equal norms");
    let caption = format!(
        "Unit vectors added at {}; the residual's mean norm there is {:.2}. Bands: 95 % intervals, clustered by question.",
        compared.layer, compared.residual
    );
    let figures = vec![Figure::new("positions", &title, &caption, plot)];
    Study { figures, ..study }
}
