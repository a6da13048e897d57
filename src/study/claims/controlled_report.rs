//! The report of a study whose data set has a neutral one: what was found, its figures.

use super::case::Case;
use super::controlled::Controlled;
use super::findings::findings;
use super::format::{dash, met_of, short_kind};
use super::sweeps::{READING, X};
use crate::report::content::Axis;
use crate::report::plot::{Level, Panel};
use crate::report::{ArmKind, Figure, Plot, Study};
use crate::stats::Interval;
use crate::study::dag::ArmNaming;
use crate::study::outputs::{MMLU, NEUTRAL_LEARNED};
use crate::study::results::{Cell, Results};

/// The report of such a study.
pub fn summarize(results: &Results<'_>, cells: &[Cell<'_>], study: Study) -> Study {
    let cases: Vec<Case<'_>> = Case::all(results, cells);
    let controlled: Vec<Controlled<'_>> = cases.iter().filter_map(Controlled::of).collect();
    let expectations = findings(results, cells);
    let said: Vec<String> = controlled.iter().map(Controlled::verdict).collect();
    let traits: Vec<&str> = controlled.iter().map(|of| of.case.key()).collect();
    let arms: Vec<String> = study.arms.iter().filter(|a| a.kind != ArmKind::Elicit).map(|a| a.name.clone()).collect();
    Study {
        title: format!("Data without its {}", traits.join(" and ")),
        verdict: format!("{} {}", said.join(" "), met_of(&expectations)),
        figures: controlled.iter().flat_map(|of| of.figures(results, &study, &arms)).collect(),
        expectations,
        ..study
    }
}

impl Controlled<'_> {
    /// What was found, in one paragraph.
    fn verdict(&self) -> String {
        let case = self.case;
        let score = |cell: &Cell<'_>| dash(case.score(cell), 1);
        let mut said = format!(
            "{}: plain finetuning takes {} from {} to {}, on the neutral set of the same form to {}.",
            case.label,
            case.key(),
            score(self.base),
            score(self.plain),
            score(self.neutral)
        );
        if let Some((chosen, miss)) = self.chosen() {
            let how = if miss == 0.0 { "" } else { "No setting leaves out the trait alone; closest, " };
            said += &format!(" {how}{} ends at {} with {}.", chosen.named(), score(chosen), self.learned(chosen));
            if let Some(random) = self.random(chosen) {
                said += &format!(" {} ends at {}.", random.named(), score(random));
            }
        }
        said
    }

    /// A panel for each swept arm: the trait, what was learned of the neutral part, multiple choice; and what each arm pays.
    fn figures(&self, results: &Results<'_>, study: &Study, arms: &[String]) -> Vec<Figure> {
        let (naming, case) = (ArmNaming::of(results.config), self.case);
        let plain = self.plain.arm.name.as_str();
        let shown: Vec<&Axis> = [case.key(), NEUTRAL_LEARNED, MMLU].iter().filter_map(|key| study.axis(key)).collect();
        let neutral: Option<Interval> = study.level(&self.neutral.arm.name, case.key());
        let panel = |kind: ArmKind| -> Option<Panel> {
            let arm = naming.named(Some(case.corpus), kind.arm_name(), Some(case.place));
            let of = study.arm(&arm)?;
            let mut panel = study.dose(short_kind(kind), X, &of.name, plain, ArmKind::Base.arm_name(), &shown);
            let hue = study.axis(case.key())?.hue;
            panel.levels.truncate(1);
            panel.levels.extend(neutral.map(|i| Level { label: "neutral".into(), hue, value: i.mean }));
            Some(panel)
        };
        let kinds = [ArmKind::Preventative, ArmKind::PreventativeLayer, ArmKind::Inference];
        let panels: Vec<Panel> = kinds.into_iter().filter_map(panel).collect();
        let mut figures = Vec::new();
        let file =
            |name: &str| if results.data.traits.len() > 1 { format!("{name}-{}", case.key()) } else { name.to_owned() };
        if !panels.is_empty() {
            let title = format!("{}: steering, the trait, and what is learned", case.label);
            let caption = format!(
                "{READING} Also dashed: the plain finetune on the neutral set, where only the trait is left out."
            );
            figures.push(Figure::new(&file("figure"), &title, &caption, Plot::scores(panels)));
        }
        let swept: Vec<String> =
            kinds.map(|kind| naming.named(Some(case.corpus), kind.arm_name(), Some(case.place))).to_vec();
        let plot = study.tradeoff((NEUTRAL_LEARNED, case.key()), arms, Some(plain), &swept);
        let title = format!("{}: what is left out against what is learned", case.label);
        let caption =
            "Down and right is better: less of the trait, more of the rest. An arm that is low and left did not learn.";
        figures.extend(plot.map(|plot| Figure::new(&file("tradeoff"), &title, caption, plot)));
        figures
    }
}
