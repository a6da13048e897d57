//! A trait that data teaches, beside a plain finetune on a neutral set of the same form: what remains when only the trait is left out.

use super::case::{Case, Share};
use super::findings::findings;
use super::format::{dash, met_of, short_kind};
use super::sweeps::{READING, X};
use super::thresholds::{CONTROLLED_EXAM, CONTROLLED_NEAR, CONTROLLED_RANDOM, CONTROLLED_RISE, NEUTRAL_SHARE};
use crate::report::content::Axis;
use crate::report::plot::{Level, Panel};
use crate::report::{ArmKind, Expectation, ExpectationId, Figure, Plot, Study};
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

/// A case whose data set has a neutral one.
pub struct Controlled<'c> {
    case: &'c Case<'c>,
    base: &'c Cell<'c>,
    plain: &'c Cell<'c>,
    neutral: &'c Cell<'c>,
}

impl<'c> Controlled<'c> {
    /// Nothing where no plain finetune on a neutral set was measured.
    pub fn of(case: &'c Case<'c>) -> Option<Self> {
        let (base, plain) = (case.one(ArmKind::Base)?, case.one(ArmKind::Plain)?);
        Some(Self { case, base, plain, neutral: case.neutral? })
    }

    /// The preventative setting that leaves out the trait alone, or misses that least, and by how much.
    pub fn chosen(&self) -> Option<(&'c Cell<'c>, f64)> {
        let cells = [ArmKind::Preventative, ArmKind::PreventativeLayer].into_iter().flat_map(|kind| self.case.of(kind));
        let miss = |cell: &'c Cell<'c>| {
            let off = self.case.change(cell, self.neutral).mean.abs();
            let learned = self.case.learned(cell).map_or(f64::NAN, |share| share.of.mean);
            let miss = (off - CONTROLLED_NEAR).max(0.0) + (NEUTRAL_SHARE - learned).max(0.0);
            (off.is_finite() && learned.is_finite()).then_some((cell, miss, off))
        };
        let best = cells.filter_map(miss).min_by(|a, b| a.1.total_cmp(&b.1).then(a.2.total_cmp(&b.2)))?;
        Some((best.0, best.1))
    }

    /// What is claimed, each with what was measured. `about` stands before every claim.
    pub fn expectations(&self, about: &str) -> Vec<Expectation> {
        let Self { case, base, plain, .. } = self;
        let trait_name = case.key();
        let expect =
            |id, claim: String, measured: String, met| Expectation::new(id, &format!("{about}{claim}"), &measured, met);
        let rise = case.change(plain, base);
        let mut all = vec![expect(
            ExpectationId::PlainMoves,
            format!("Plain finetuning moves {trait_name} by at least {CONTROLLED_RISE} points"),
            format!("from {:.1} to {:.1}: {rise:+.1} points", case.score(base), case.score(plain)),
            rise.mean.is_finite().then_some(rise.mean >= CONTROLLED_RISE),
        )];
        let Some((chosen, miss)) = self.chosen() else { return all };
        let (off, score) = (case.change(chosen, self.neutral), case.score(self.neutral));
        let prefix = if miss == 0.0 { "" } else { "closest: " };
        all.push(expect(
            ExpectationId::OnlyTraitIsLeftOut,
            format!(
                "Some preventative coefficient ends within {CONTROLLED_NEAR} points of the plain finetune on the neutral set, with at least \
                 {NEUTRAL_SHARE} % of the neutral part learned"
            ),
            format!(
                "{prefix}{} {:.1}, {} {score:.1}: {off:+.1} points; {}{}",
                chosen.named(),
                case.score(chosen),
                self.neutral.named(),
                self.learned(chosen),
                case.unlearned(chosen)
            ),
            Some(miss == 0.0),
        ));
        if let Some(random) = self.random(chosen) {
            let above = case.change(random, chosen);
            all.push(expect(
                ExpectationId::BelowRandom,
                format!(
                    "That setting lies at least {CONTROLLED_RANDOM} points below random vectors of the same norm, and the paired interval \
                     holds no 0"
                ),
                format!(
                    "{} {:.1}, {} {:.1}: {above:+.1} points",
                    chosen.named(),
                    case.score(chosen),
                    random.named(),
                    case.score(random)
                ),
                above.has_bounds().then_some(above.mean >= CONTROLLED_RANDOM && above.low > 0.0),
            ));
        }
        let exam = case.exam_change(chosen, plain);
        if exam.mean.is_finite() {
            all.push(expect(
                ExpectationId::ExamNearPlain,
                format!("Its multiple choice lies within {CONTROLLED_EXAM} points of the plain finetune"),
                format!(
                    "{} {:.1}, plain {:.1}: {exam:+.1} points",
                    chosen.named(),
                    chosen.mean(MMLU),
                    plain.mean(MMLU)
                ),
                Some(exam.mean >= -CONTROLLED_EXAM),
            ));
        }
        all
    }

    /// The random vectors that steered as a setting did: as many layers, the same coefficient.
    fn random(&self, chosen: &Cell<'_>) -> Option<&'c Cell<'c>> {
        let kind = if chosen.arm.kind == ArmKind::Preventative { ArmKind::Random } else { ArmKind::RandomLayer };
        self.case.of(kind).find(|cell| cell.coef == chosen.coef)
    }

    /// `94.1 [90.2, 97.0] % of the neutral part learned`.
    fn learned(&self, cell: &Cell<'_>) -> String {
        self.case
            .learned(cell)
            .map_or_else(String::new, |Share { of, what, .. }| format!("{of:.1} % of {what} learned"))
    }

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
