//! From the pieces' outputs to what the report shows: points, expectations, figures, and the story in words.

use std::collections::BTreeMap;

use super::arms::{Piece, arms, single_layer};
use super::config::{FactsSource, StudyConfig};
use super::data::Data;
use super::expect::{self, Checked, Outcome, Outcomes, rounded};
use super::pipeline::{Extracted, FACTS, Fitted, Measured, MeasuredAt, Output, Pipeline, axis_key};
use crate::Result;
use crate::record::{Hash, Lock};
use crate::report::{Arm, Axis, Example, Figure, Hue, Mark, Panel, Plot, Point, Study};
use crate::stats::{Clusters, Interval};
use crate::text::Tokenizer;

/// Key of the exam's axis.
const EXAM: &str = "mmlu";
/// Key of the coherence of answers to the trait's questions.
const COHERENCE: &str = "coherence";

/// What one arm came to at one coefficient: of each training seed.
struct Cell<'a> {
    arm: &'a Arm,
    coef: Option<f64>,
    by_seed: Vec<(Option<u64>, &'a MeasuredAt)>,
}

/// Everything measured, in the order of the tables.
pub(super) struct Results<'a> {
    extracted: &'a Extracted,
    measured: Vec<(&'a Piece, &'a Measured, Option<&'a Fitted>)>,
    arms: Vec<Arm>,
}

impl<'a> Results<'a> {
    pub fn gather(config: &StudyConfig, pieces: &'a [Piece], outputs: &'a [Output]) -> Result<Self> {
        let extracted = outputs.iter().find_map(|output| match output {
            Output::Vector(extracted) => Some(&**extracted),
            _ => None,
        });
        let extracted = extracted.expect("every study has a vector");
        let layer = single_layer(config, extracted.file.response_avg.layers())?;
        let measured = pieces.iter().zip(outputs).filter_map(|(piece, output)| match output {
            Output::Measured(measured, fitted) => Some((piece, measured, fitted.as_ref())),
            _ => None,
        });
        Ok(Self { extracted, measured: measured.collect(), arms: arms(config, layer) })
    }

    /// Arm by arm, by ascending coefficient, by training seed.
    fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells: Vec<Cell<'_>> = Vec::new();
        for arm in &self.arms {
            let from = cells.len();
            for (piece, measured, _) in self.measured.iter().filter(|(p, ..)| p.arm.as_ref() == Some(&arm.name)) {
                for at in &measured.at {
                    match cells[from..].iter_mut().find(|cell| cell.coef == at.coef) {
                        Some(cell) => cell.by_seed.push((piece.seed, at)),
                        None => cells.push(Cell { arm, coef: at.coef, by_seed: vec![(piece.seed, at)] }),
                    }
                }
            }
            cells[from..].sort_by(|a, b| a.coef.unwrap_or(0.0).total_cmp(&b.coef.unwrap_or(0.0)));
        }
        cells
    }

    pub fn lock(&self, pipeline: &Pipeline<'_>) -> Result<Lock> {
        let Pipeline { config, data, lab, model, judge, .. } = pipeline;
        let mut lock = Lock::new(lab.device(), config.seeds.clone());
        let tokenizer = Tokenizer::load(&config.model)?;
        lock.notes.insert("judge".into(), judge.clone());
        lock.notes.insert("seed of all but training".into(), config.seed.to_string());
        lock.notes.insert("vector fingerprint".into(), self.extracted.file.fingerprint.clone());
        lock.notes.insert("tokenizer and template".into(), tokenizer.fingerprint().to_owned());
        lock.hashes.insert("model".into(), model.clone());
        lock.hashes.insert("configuration".into(), Hash::of(config));
        lock.hashes.extend(data.hashes().map(|(name, hash)| (name.to_owned(), hash)));
        for (piece, measured, fitted) in &self.measured {
            lock.hashes.insert(format!("answers of {}", piece.name), measured.answers.clone());
            lock.hashes.extend(fitted.map(|f| (format!("adapter of {}", piece.name), f.adapter.clone())));
        }
        Ok(lock)
    }

    pub fn study(&self, config: &StudyConfig, data: &Data, lock: &Lock) -> Study {
        let cells = self.cells();
        let trait_name = axis_key(&data.trait_.name);
        let checked = expect::check(&outcomes(&cells, trait_name), config.seed);
        let axes = axes(trait_name);
        let points = cells.iter().flat_map(|cell| cell.points(trait_name, config.seed)).collect();
        let examples: Vec<Example> = cells.iter().flat_map(Cell::examples).collect();
        let model = config.model.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let seeds = config.seeds.len();
        Study {
            title: format!("New facts without new {trait_name}"),
            subtitle: format!(
                "{model} · {} facts in {} lessons · {seeds} training {}",
                data.questions.len(),
                data.lessons.len(),
                if seeds == 1 { "seed" } else { "seeds" }
            ),
            verdict: verdict(&cells, &checked, trait_name),
            figures: figures(&axes, &self.arms),
            axes,
            arms: self.arms.clone(),
            points,
            expectations: checked.expectations,
            examples,
            notes: self.notes(config, data, &cells),
            settings: config.rows(),
            lock: lock.rows(),
            ..Study::default()
        }
    }

    /// What must be known to read the numbers.
    fn notes(&self, config: &StudyConfig, data: &Data, cells: &[Cell<'_>]) -> Vec<String> {
        let mut notes = Vec::new();
        let ats = || cells.iter().flat_map(|cell| cell.by_seed.iter().map(move |(_, at)| (cell, *at)));
        let (answers, missing, cut) =
            ats().fold((0, 0, 0), |(a, m, c), (_, at)| (a + at.answers, m + at.missing, c + at.cut));
        notes.push(format!(
            "{missing} of {answers} judged answers have no score (refused, or unreadable to the judge) and are in no mean; {cut} ended at \
             the limit of tokens. Coherence counts unreadable answers as 0."
        ));
        let mut worst: Vec<(f64, String)> = Vec::new();
        for cell in cells {
            let (answers, missing) =
                cell.by_seed.iter().fold((0, 0), |(a, m), (_, at)| (a + at.answers, m + at.missing));
            let share = missing as f64 / answers.max(1) as f64;
            if share > 0.1 {
                let coef = cell.coef.map_or_else(String::new, |c| format!(" at {c}"));
                worst.push((share, format!("{}{coef}: {:.0} %", cell.arm.label, 100.0 * share)));
            }
        }
        if !worst.is_empty() {
            worst.sort_by(|a, b| b.0.total_cmp(&a.0));
            let said: Vec<String> = worst.into_iter().map(|(_, said)| said).collect();
            notes.push(format!("More than a tenth of the answers have no score: {}.", said.join("; ")));
        }
        if let Some(base) = cells.iter().find(|cell| cell.arm.kind == "base") {
            let known = pooled(base, |at| &at.facts);
            let guessed = known.values().filter(|v| crate::stats::mean(v) > 50.0).count();
            notes.push(format!("The base model already gets {guessed} of {} new facts right.", known.len()));
        }
        if config.seeds.len() < 3 {
            notes.push(format!(
                "With {} training {} the intervals say nothing about how much another training run would differ.",
                config.seeds.len(),
                if config.seeds.len() == 1 { "seed" } else { "seeds" }
            ));
        }
        if !matches!(config.facts, FactsSource::Files { .. }) {
            notes.push(
                "The facts are made up: to learn them is itself a little like learning to make things up.".into(),
            );
        }
        if !self.extracted.diagnosis.is_empty() {
            notes.push(format!("The vector: {}.", self.extracted.diagnosis));
        }
        let shift = self.measured.iter().filter_map(|(_, _, fitted)| fitted.and_then(|f| f.shift_error));
        if let Some(worst) = shift.reduce(f64::max) {
            notes.push(format!(
                "Steering in training proved itself on each first batch: the measured shift is at most {:.2} % off the planned one.",
                100.0 * worst
            ));
        }
        notes.extend(self.extracted.warnings.iter().chain(&data.warnings).cloned());
        notes
    }
}

impl Cell<'_> {
    /// All seeds together, then each of them.
    fn points(&self, trait_name: &str, seed: u64) -> Vec<Point> {
        let point = |of_seed: Option<u64>, seeds: usize, ats: &[&MeasuredAt]| {
            let interval = |of: fn(&MeasuredAt) -> &Clusters| Interval::of(&merged(ats.iter().map(|at| of(at))), seed);
            let values = BTreeMap::from([
                (trait_name.to_owned(), interval(|at| &at.trait_)),
                (FACTS.to_owned(), interval(|at| &at.facts)),
                (EXAM.to_owned(), interval(|at| &at.exam)),
                (COHERENCE.to_owned(), interval(|at| &at.coherence)),
            ]);
            Point { arm: self.arm.name.clone(), coef: self.coef, seed: of_seed, seeds, values }
        };
        let all: Vec<&MeasuredAt> = self.by_seed.iter().map(|(_, at)| *at).collect();
        let each = self.by_seed.iter().filter_map(|(seed, at)| seed.map(|s| point(Some(s), 1, &[at])));
        std::iter::once(point(None, all.len(), &all)).chain(each).collect()
    }

    /// The first seed's.
    fn examples(&self) -> Vec<Example> {
        self.by_seed.first().map(|(_, at)| at.examples.clone()).unwrap_or_default()
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            label: self.arm.label.clone(),
            coef: self.coef,
            trait_: pooled(self, |at| &at.trait_),
            coherence: pooled(self, |at| &at.coherence),
            facts: pooled(self, |at| &at.facts),
            exam: pooled(self, |at| &at.exam),
        }
    }
}

/// Scores by question, those of all seeds together.
fn merged<'c>(clusters: impl Iterator<Item = &'c Clusters>) -> Clusters {
    let mut all = Clusters::new();
    for (question, scores) in clusters.flatten() {
        all.entry(question.clone()).or_default().extend(scores);
    }
    all
}

fn pooled(cell: &Cell<'_>, of: fn(&MeasuredAt) -> &Clusters) -> Clusters {
    merged(cell.by_seed.iter().map(|(_, at)| of(at)))
}

fn outcomes(cells: &[Cell<'_>], trait_name: &str) -> Outcomes {
    let of = |kinds: &[&str]| -> Vec<Outcome> {
        kinds.iter().flat_map(|kind| cells.iter().filter(move |c| c.arm.kind == *kind)).map(Cell::outcome).collect()
    };
    let one = |kind: &str| of(&[kind]).pop().unwrap_or_default();
    Outcomes {
        trait_name: trait_name.to_owned(),
        base: one("base"),
        plain: one("plain"),
        prevent: of(&["preventative", "preventative-layer"]),
        inference: of(&["inference"]),
        random: of(&["random"]),
    }
}

fn axes(trait_name: &str) -> Vec<Axis> {
    let mut capital = trait_name.to_owned();
    capital[..1].make_ascii_uppercase();
    let coherence = Axis::accuracy(COHERENCE, "Coherence of answers", "Coherence", Hue::Grey, Mark::Diamond);
    vec![
        Axis::score(trait_name, &format!("{capital} score"), &capital),
        Axis::accuracy(FACTS, "New-fact accuracy", "New facts", Hue::Blue, Mark::Square),
        Axis::accuracy(EXAM, "Multiple-choice accuracy", "Multiple choice", Hue::Green, Mark::Triangle),
        Axis { unit: "0–100".to_owned(), ..coherence },
    ]
}

/// The post's two panels, and the trade-off.
fn figures(axes: &[Axis], arms: &[Arm]) -> Vec<Figure> {
    let three: Vec<&Axis> = axes[..3].iter().collect();
    let has = |name: &str| arms.iter().any(|arm| arm.name == name);
    let mut panels = Vec::new();
    if has("inference") {
        let x = "strength (coefficient is minus this)";
        panels.push(Panel::dose("Steered away while it answers", x, "inference", Some("plain"), Some("base"), &three));
    }
    for (name, title) in [("prevent", "Steered towards while it learned"), ("prevent-layer", "The same at one layer")] {
        if has(name) {
            panels.push(Panel::dose(title, "steering coefficient", name, Some("plain"), Some("base"), &three));
        }
    }
    // Two panels are the figure; one layer alone gets its own only where nothing else is swept.
    panels.truncate(2);
    let mut figures = Vec::new();
    if !panels.is_empty() {
        figures.push(Figure {
            file: "figure".into(),
            title: "Steering after and during finetuning".into(),
            caption: "At coefficient 0, the plain finetune. Left to right, the finetuned model is steered away from the trait more and more \
                      while it answers, or was steered towards it more and more while it learned and answers unsteered. Dashed: the base \
                      model. Bands: 95 % intervals, clustered by question."
                .into(),
            plot: Plot::Lines {
                y: "score or accuracy".into(),
                range: (0.0, 100.0),
                levels: "base model".into(),
                panels,
            },
        });
    }
    let shown = arms.iter().filter(|arm| arm.kind != "elicit").map(|arm| arm.name.clone());
    figures.push(Figure {
        file: "tradeoff".into(),
        title: format!("New facts against {}", axes[0].key),
        caption: "What each arm pays. Down and right is better.".into(),
        plot: Plot::Scatter {
            x: FACTS.into(),
            y: axes[0].key.clone(),
            arms: shown.collect(),
            start: Some("plain".into()),
            from_start: ["prevent", "prevent-layer", "inference"].map(str::to_owned).to_vec(),
        },
    });
    figures
}

/// What was found, whatever it was, in one paragraph.
fn verdict(cells: &[Cell<'_>], checked: &Checked, trait_name: &str) -> String {
    let o = outcomes(cells, trait_name);
    let mean =
        |clusters: &Clusters| rounded(crate::stats::mean(&clusters.values().flatten().copied().collect::<Vec<_>>()), 0);
    let mut said = format!(
        "The plain finetune gets {} % of the new facts right and takes {trait_name} from {} to {}.",
        mean(&o.plain.facts),
        mean(&o.base.trait_),
        mean(&o.plain.trait_)
    );
    if let Some(chosen) = checked.chosen.map(|i| &o.prevent[i]) {
        let name = format!("{} at {}", chosen.label, chosen.coef.unwrap_or_default());
        let (level, facts) = (mean(&chosen.trait_), mean(&chosen.facts));
        said += &if checked.prevented {
            format!(" {name} keeps it at {level} with {facts} % of the facts.")
        } else {
            format!(
                " No preventative setting does all that is expected; the closest, {name}, ends at {level} with {facts} % of the facts."
            )
        };
        if let Some(equal) = checked.equal {
            let reached = if equal.reached { "comes to the same" } else { "does not come so low; at its lowest it is" };
            said += &format!(" Steering at inference time {reached} with {} % of the facts.", rounded(equal.facts, 0));
        }
    }
    let of = |met| checked.expectations.iter().filter(|e| e.met == met).count();
    said += &format!(" {} of {} expectations are met", of(Some(true)), checked.expectations.len());
    if of(None) > 0 {
        said += &format!(", {} could not be told", of(None));
    }
    said + "."
}
