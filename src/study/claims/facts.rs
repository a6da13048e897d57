//! The fact-acquisition study (the follow-up post; Chen et al. 2025, appendix J.7): new facts are taught with and without preventative
//! steering, and what is learned is compared with the trait that comes along.

use super::case::Case;
use super::expect::{Checked, Outcome, Outcomes, check};
use super::findings::findings;
use super::format::{dash, met_of};
use crate::eval::facts::{FactQuestion, task};
use crate::language_model::Sampling;
use crate::report::plot::Panel;
use crate::report::{ArmKind, Cell as Entry, Expectation, ExpectationId, Figure, Plot, Study, Table};
use crate::stats::{Clusters, mean, mean_of};
use crate::study::outputs::{COHERENCE, FACTS, MMLU, trait_key};
use crate::study::results::{Cell, Results};

/// The report of a study of facts.
pub fn summarize(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let trait_name = trait_key(&results.data.traits[0].name);
    let outcomes = Outcomes::of(results, cells);
    let checked = check(&outcomes, results.config.seed);
    // That the trait reaches the base model is an expectation of this study already; if it does not, the finding adds where the rest lies.
    let is_new = |e: &Expectation| e.id != ExpectationId::ReachesBase || e.met != Some(true);
    Study {
        title: format!("New facts without new {trait_name}"),
        verdict: verdict(&outcomes, &checked),
        figures: figures(&study),
        expectations: checked
            .expectations
            .iter()
            .cloned()
            .chain(findings(results, cells).into_iter().filter(is_new))
            .collect(),
        ..study
    }
}

/// Every new fact with its accuracy in percent in every arm, the base model's first: which facts can be guessed, which were lost.
/// Nothing where no facts are taught.
pub fn fact_table(results: &Results<'_>, cells: &[Cell<'_>]) -> Option<Table> {
    let questions: Vec<FactQuestion> = results.data.corpora.iter().flat_map(|c| c.questions.clone()).collect();
    let asked = task(&questions, None, &Sampling::greedy(1)).samples;
    let mut measured: Vec<(String, Clusters)> = cells.iter().map(|cell| (cell.named(), cell.scores(FACTS))).collect();
    measured.retain(|(_, scores)| !scores.is_empty());
    let head = ["fact_id", "question", "reference"].map(str::to_owned).into_iter();
    let mut table = Table::new(head.chain(measured.iter().map(|(name, _)| name.clone())));
    for sample in &asked {
        let reference = sample.reference.as_deref().unwrap_or_default();
        let texts = [sample.question_id.as_str(), &sample.question, reference].map(Entry::from);
        let of = |(_, scores): &(String, Clusters)| Entry::from(scores.get(&sample.question_id).map(|s| mean(s)));
        table.push(texts.into_iter().chain(measured.iter().map(of)).collect());
    }
    (!asked.is_empty()).then_some(table)
}

impl Outcomes {
    fn of(results: &Results<'_>, cells: &[Cell<'_>]) -> Self {
        let Some(case) = Case::all(results, cells).into_iter().next() else { return Self::default() };
        let outcome = |cell: &Cell<'_>| Outcome {
            label: cell.arm.label.clone(),
            coef: cell.coef,
            trait_: cell.scores(case.key()),
            coherence: cell.scores(COHERENCE),
            facts: cell.scores(FACTS),
            exam: cell.scores(MMLU),
        };
        let all = |kind| -> Vec<Outcome> { case.of(kind).map(outcome).collect() };
        let one = |kind| case.one(kind).map(outcome).unwrap_or_default();
        Self {
            trait_name: case.key().to_owned(),
            base: one(ArmKind::Base),
            plain: one(ArmKind::Plain),
            prevent: [all(ArmKind::Preventative), all(ArmKind::PreventativeLayer)].concat(),
            inference: all(ArmKind::Inference),
            random: all(ArmKind::Random),
        }
    }
}

/// The post's two panels, and the trade-off.
fn figures(study: &Study) -> Vec<Figure> {
    const SWEPT: [(ArmKind, &str, &str); 3] = [
        (ArmKind::Inference, "Inference-time steering", "strength (coefficient is minus this)"),
        (ArmKind::Preventative, "Preventative steering (training time)", "steering coefficient"),
        (ArmKind::PreventativeLayer, "Preventative steering at one layer", "steering coefficient"),
    ];
    let [base, plain] = [ArmKind::Base, ArmKind::Plain].map(ArmKind::arm_name);
    let shown: Vec<_> = study.axes[..3].iter().collect();
    let swept = SWEPT.into_iter().filter(|(kind, ..)| study.arm(kind.arm_name()).is_some());
    let panel = |(kind, title, x): (ArmKind, &str, &str)| study.dose(title, x, kind.arm_name(), plain, base, &shown);
    // The figure has two panels; the single layer is drawn only where nothing else is swept.
    let panels: Vec<Panel> = swept.map(panel).take(2).collect();
    let mut figures = Vec::new();
    if !panels.is_empty() {
        let caption = "At coefficient 0, the plain finetune. To the right, more steering: away from the trait at inference time, or \
                       towards it during training, after which the model answers unsteered. Dashed: the base model. Bands: 95 % intervals, \
                       clustered by question.";
        let title = "Steering after and during finetuning";
        figures.push(Figure::new("figure", title, caption, Plot::scores(panels)));
    }
    let y = &study.axes[0].key;
    let title = format!("New facts against {y}");
    let arms: Vec<String> =
        study.arms.iter().filter(|arm| arm.kind != ArmKind::Elicit).map(|arm| arm.name.clone()).collect();
    let swept = SWEPT.map(|(kind, ..)| kind.arm_name().to_owned());
    let plot = study.tradeoff((FACTS, y), &arms, Some(plain), &swept);
    let caption = "What each arm pays. Down and right is better.";
    figures.extend(plot.map(|plot| Figure::new("tradeoff", &title, caption, plot)));
    figures
}

/// What was found, in one paragraph.
fn verdict(o: &Outcomes, checked: &Checked) -> String {
    let mean = |clusters: &Clusters| dash(mean_of(clusters), 0);
    let mut said = format!(
        "The plain finetune gets {} % of the new facts right and takes {} from {} to {}.",
        mean(&o.plain.facts),
        o.trait_name,
        mean(&o.base.trait_),
        mean(&o.plain.trait_)
    );
    if let Some(chosen) = checked.chosen.map(|i| &o.prevent[i]) {
        let (name, level, facts) = (chosen.named(), mean(&chosen.trait_), mean(&chosen.facts));
        said += &if checked.prevented {
            format!(" {name} keeps it at {level} with {facts} % of the facts.")
        } else {
            format!(
                " No preventative setting meets every expectation; the closest, {name}, ends at {level} with {facts} % of the facts."
            )
        };
        if let Some(equal) = checked.equal {
            let reached =
                if equal.reached { "reaches the same score" } else { "does not reach it; at its lowest it is" };
            said += &format!(" Inference-time steering {reached} with {} % of the facts.", dash(equal.facts, 0));
        }
    }
    format!("{said} {}", met_of(&checked.expectations))
}
