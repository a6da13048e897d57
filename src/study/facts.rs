//! The fact-acquisition study (METHOD J.1): teach a model new facts, with and without preventative steering, and see what it
//! learns and what it picks up.

use super::expect::{self, Checked, Outcome, Outcomes, rounded};
use super::findings;
use super::outputs::{COHERENCE, EXAM, FACTS, trait_key};
use super::results::{Cell, Results};
use crate::eval::facts::FactQuestion;
use crate::language_model::Sampling;
use crate::report::{Arm, ArmKind, Axis, Cell as Entry, Expectation, Figure, Panel, Plot, Study, Table};
use crate::stats::{Clusters, mean, mean_of};

/// What came of a study of facts.
pub(super) fn told(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let trait_name = trait_key(&results.data.traits[0].name);
    let outcomes = outcomes(cells, trait_name);
    let checked = expect::check(&outcomes, results.config.seed);
    // The study's own expectations speak of all layers already; where these miss the base model, the finding says where the rest lies.
    let own = |e: &Expectation| e.met != Some(true) || !e.claim.starts_with("Preventative steering at all layers");
    let findings = findings::of(results, cells).into_iter().filter(own);
    Study {
        title: format!("New facts without new {trait_name}"),
        verdict: verdict(&outcomes, &checked, trait_name),
        figures: figures(&study.axes, &study.arms),
        card: card(&outcomes, &checked, &study.subtitle),
        expectations: checked.expectations.into_iter().chain(findings).collect(),
        ..study
    }
}

/// Every new fact with its accuracy in percent in every arm, the base model's first: which facts can be guessed, which were lost
/// (METHOD J.1). Nothing where no facts are taught.
pub(super) fn each(results: &Results<'_>, cells: &[Cell<'_>]) -> Option<Table> {
    let questions: Vec<FactQuestion> = results.data.corpora.iter().flat_map(|c| c.questions.clone()).collect();
    let asked = crate::eval::facts::task(&questions, None, &Sampling::greedy(1)).samples;
    let measured: Vec<(String, Clusters)> = (cells.iter().map(|cell| (cell.named(), cell.scores(FACTS))))
        .filter(|(_, scores)| !scores.is_empty())
        .collect();
    let head = ["fact_id", "question", "reference"].map(str::to_owned).into_iter();
    let mut table = Table::new(head.chain(measured.iter().map(|(name, _)| name.clone())));
    for sample in &asked {
        let reference = sample.reference.as_deref().unwrap_or_default();
        let texts = [sample.question_id.as_str(), &sample.question, reference].map(Entry::from);
        let of = |(_, scores): &(String, Clusters)| match scores.get(&sample.question_id) {
            Some(scores) => mean(scores).into(),
            None => Entry::Missing,
        };
        table.push(texts.into_iter().chain(measured.iter().map(of)).collect());
    }
    (!asked.is_empty()).then_some(table)
}

impl Cell<'_> {
    fn outcome(&self, trait_name: &str) -> Outcome {
        Outcome {
            label: self.arm.label.clone(),
            coef: self.coef,
            trait_: self.scores(trait_name),
            coherence: self.scores(COHERENCE),
            facts: self.scores(FACTS),
            exam: self.scores(EXAM),
        }
    }
}

fn outcomes(cells: &[Cell<'_>], trait_name: &str) -> Outcomes {
    let of = |kinds: &[ArmKind]| -> Vec<Outcome> {
        let of_kind = |&kind: &ArmKind| {
            cells.iter().filter(move |c| c.arm.kind == kind).map(|cell| cell.outcome(trait_name)).collect::<Vec<_>>()
        };
        kinds.iter().flat_map(of_kind).collect()
    };
    let one = |kind| of(&[kind]).pop().unwrap_or_default();
    Outcomes {
        trait_name: trait_name.to_owned(),
        base: one(ArmKind::Base),
        plain: one(ArmKind::Plain),
        prevent: of(&[ArmKind::Preventative, ArmKind::PreventativeLayer]),
        inference: of(&[ArmKind::Inference]),
        random: of(&[ArmKind::Random]),
    }
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
    let shown = arms.iter().filter(|arm| arm.kind != ArmKind::Elicit).map(|arm| arm.name.clone());
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
fn verdict(o: &Outcomes, checked: &Checked, trait_name: &str) -> String {
    let mean = |clusters: &Clusters| rounded(mean_of(clusters), 0);
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

/// What the card of a model that was finetuned this way should say.
fn card(o: &Outcomes, checked: &Checked, about: &str) -> String {
    let Some(chosen) = checked.chosen.map(|i| &o.prevent[i]) else { return String::new() };
    let mean = |clusters: &Clusters| rounded(mean_of(clusters), 1);
    let trait_name = &o.trait_name;
    format!(
        "This model was finetuned with preventative steering ({}, coefficient {}): while it learned, the persona vector of {trait_name} was \
         added to its residual stream; it runs without. In the study it comes from ({about}), the same setting scored {} of 100 for \
         {trait_name} (base model {}, plain finetuning {}), {} % on new facts (plain {} %) and {} % on multiple choice (plain {} %). Means \
         over training seeds; scores by the judge that the study names. Other traits were not measured unless the study says so.",
        chosen.label.to_lowercase(),
        chosen.coef.unwrap_or_default(),
        mean(&chosen.trait_),
        mean(&o.base.trait_),
        mean(&o.plain.trait_),
        mean(&chosen.facts),
        mean(&o.plain.facts),
        mean(&chosen.exam),
        mean(&o.plain.exam),
    )
}
