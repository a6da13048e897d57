//! What was measured during training: the drift along the vector, the gradient of the data along it, and whether preventative steering
//! removes that gradient (Grant et al. 2026, arXiv 2604.16423, find it reversed).

use super::thresholds::CHANCE;
use crate::report::plot::{Curve, HUES, Hue, MARKS, Mark, Panel};
use crate::report::{Arm, ArmKind, Expectation, ExpectationId, Figure, Grid, Plot, Study};
use crate::stats::{Interval, mean, sign_test};
use crate::study::outputs::trait_key;
use crate::study::results::Results;
use crate::train::{GradientReport, ProbeMetrics};

/// One of the two rows of a measurement.
type Side = fn(&GradientReport) -> &[Option<f64>];

/// One arm at one coefficient: what was watched with each training seed.
struct Followed<'a> {
    arm: &'a Arm,
    coef: Option<f64>,
    seeds: Vec<&'a ProbeMetrics>,
}

/// The finetunes of one data set that are watched along one trait's vector, arm by arm.
struct Group<'a> {
    /// Suffix of file names; empty where there is one data set and one trait.
    file: String,
    /// Prefix of titles and claims; empty in the same case.
    name: String,
    followed: Vec<Followed<'a>>,
}

/// How the two measurements of an arm's checkpoints compare, each a mean over the layers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Verdict {
    off: f64,
    on: f64,
    /// Number of checkpoints, and at how many of them the gradient is smaller with the intervention than without.
    checkpoints: usize,
    smaller: usize,
    /// At how many checkpoints the gradient points towards the trait without the intervention, and at how many of these away from it with.
    towards: usize,
    reversed: usize,
    /// Share of checkpoints and layers where it is smaller.
    share: f64,
    /// Without and with the intervention before the first step, when all arms have the same weights.
    first: (f64, f64),
}

/// For each arm with preventative steering: is the data's gradient along the vector smaller under the steering, or reversed? The
/// signs alone do not decide: a finetune fits the states that it saw, so that under any disturbance that it was trained with its
/// gradient is smaller than without. So the steering must also remove more than random vectors do before the first step.
pub fn findings(results: &Results<'_>) -> Vec<Expectation> {
    let mut findings = Vec::new();
    for group in groups(results) {
        for followed in &group.followed {
            if !followed.arm.kind.is_preventative() {
                continue;
            }
            let Some(verdict) = Verdict::of(&followed.seeds) else { continue };
            let meaningless = group.followed.iter().filter(|f| f.arm.kind.is_meaningless());
            // One value for each draw and training seed.
            let alone = meaningless.flat_map(|f| &f.seeds).filter_map(|watched| Verdict::of(&[*watched]));
            let controls: Vec<f64> = alone.map(|verdict| verdict.taken()).collect();
            let claim = format!(
                "{}{}: during training the data's gradient along the vector is smaller with the steering than without, or reversed (arXiv \
                 2604.16423: reversed)",
                group.name,
                followed.named()
            );
            let (measured, met) = (verdict.said(&controls), verdict.met(&controls));
            findings.push(Expectation::new(ExpectationId::GradientFalls, &claim, &measured, met));
        }
    }
    findings
}

/// A study with the figures and the table of what was watched, where anything was.
pub fn add_figures(results: &Results<'_>, mut study: Study) -> Study {
    for group in groups(results) {
        study.figures.extend(drift(&group));
        study.figures.extend(pull(results, &group));
        study.grids.extend(table(&group));
    }
    study
}

fn groups<'a>(results: &'a Results<'_>) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    let (corpora, traits) = (&results.data.corpora, &results.data.traits);
    for (c, corpus) in corpora.iter().enumerate() {
        for (t, trait_) in traits.iter().enumerate() {
            let own = results
                .measured
                .iter()
                .filter(|(piece, ..)| piece.corpus == Some(c) && piece.trait_.unwrap_or_default() == t);
            let mut followed: Vec<Followed<'a>> = Vec::new();
            for (piece, _, fitted) in own {
                let Some(watched) = fitted.map(|fitted| &fitted.watched).filter(|w| w.start.is_some()) else {
                    continue;
                };
                let Some(arm) = results.arms.iter().find(|arm| Some(&arm.name) == piece.arm.as_ref()) else { continue };
                match followed.iter_mut().find(|f| f.arm.name == arm.name && f.coef == piece.coef) {
                    Some(found) => found.seeds.push(watched),
                    None => followed.push(Followed { arm, coef: piece.coef, seeds: vec![watched] }),
                }
            }
            if followed.is_empty() {
                continue;
            }
            let place = |f: &Followed<'_>| results.arms.iter().position(|arm| arm.name == f.arm.name);
            followed.sort_by(|a, b| place(a).cmp(&place(b)).then(a.coef.partial_cmp(&b.coef).expect("numbers")));
            let mut names = Vec::new();
            names.extend((corpora.len() > 1).then_some((corpus.name.as_str(), corpus.label.as_str())));
            names.extend((traits.len() > 1).then(|| (trait_.name.as_str(), trait_key(&trait_.name))));
            groups.push(Group {
                file: names.iter().map(|(name, _)| format!("-{name}")).collect(),
                name: match names.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ") {
                    none if none.is_empty() => none,
                    of => format!("{of}: "),
                },
                followed,
            });
        }
    }
    groups
}

impl Followed<'_> {
    fn named(&self) -> String {
        self.coef.map_or_else(|| self.arm.label.clone(), |coef| format!("{} at {coef}", self.arm.label))
    }

    /// A number by step, the mean over the training seeds.
    fn by_step(&self, of: &dyn Fn(&ProbeMetrics) -> Vec<(usize, f64)>) -> Vec<(f64, f64)> {
        let all: Vec<Vec<(usize, f64)>> = self.seeds.iter().map(|watched| of(watched)).collect();
        let mut steps: Vec<usize> = all.iter().flatten().map(|(step, _)| *step).collect();
        steps.sort_unstable();
        steps.dedup();
        let at =
            |step: usize| -> Vec<f64> { all.iter().flatten().filter(|(s, _)| *s == step).map(|(_, y)| *y).collect() };
        steps.into_iter().map(|step| (step as f64, mean(&at(step)))).collect()
    }

    /// All measurements of the gradient, of all training seeds.
    fn checkpoints(&self) -> impl Iterator<Item = &GradientReport> {
        self.seeds.iter().flat_map(|watched| &watched.pressure)
    }

    /// Those before the first step, when all arms have the same weights.
    fn firsts(&self) -> impl Iterator<Item = &GradientReport> {
        self.checkpoints().filter(|report| report.step == 0)
    }

    /// Before the first step, layer by layer from 1.
    fn by_layer(&self, side: Side) -> Vec<(f64, f64)> {
        let layers = self.firsts().map(|report| side(report).len()).max().unwrap_or(0);
        let at = |layer: usize| -> Vec<f64> { self.firsts().filter_map(|report| *side(report).get(layer)?).collect() };
        let mean =
            |layer: usize| Some(at(layer)).filter(|all| !all.is_empty()).map(|all| ((layer + 1) as f64, mean(&all)));
        (0..layers).filter_map(mean).collect()
    }
}

/// A curve of each arm and coefficient: in the arm's colour, or in another where an earlier arm has it; coefficients of one arm
/// differ in the mark.
fn curves(followed: &[&Followed<'_>], points: &dyn Fn(&Followed<'_>) -> Vec<(f64, f64)>) -> Vec<Curve> {
    let mut looks: Vec<(String, Hue, Mark)> = Vec::new();
    let mut curve = |followed: &&Followed<'_>| {
        let arm = followed.arm;
        let hue_of = |name: &str| looks.iter().find(|look| look.0 == name).map(|look| look.1);
        let is_free = |hue: &Hue| looks.iter().all(|look| look.1 != *hue);
        let another = || HUES.into_iter().find(is_free).unwrap_or(arm.hue);
        let hue = hue_of(&arm.name).unwrap_or_else(|| if is_free(&arm.hue) { arm.hue } else { another() });
        let is_new = |mark: &Mark| looks.iter().all(|look| (look.1, look.2) != (hue, *mark));
        let mark = std::iter::once(arm.mark).chain(MARKS).find(is_new).unwrap_or(arm.mark);
        looks.push((arm.name.clone(), hue, mark));
        let points = points(followed).into_iter().map(|(x, y)| (x, Interval::point(y, 1, 1)));
        Curve::new(&followed.named(), "", hue, mark, points.collect())
    };
    followed.iter().map(&mut curve).collect()
}

fn drift(group: &Group<'_>) -> Option<Figure> {
    group.followed.iter().find(|followed| followed.seeds.iter().any(|w| !w.drift.is_empty()))?;
    let risen = |watched: &ProbeMetrics| std::iter::once((0, 0.0)).chain(watched.drift.iter().copied()).collect();
    let curves = curves(&group.followed.iter().collect::<Vec<_>>(), &|followed| followed.by_step(&risen));
    let title = format!("{}Drift while learning", group.name);
    let panel = Panel { title: title.clone(), x: "step".into(), curves, levels: Vec::new() };
    let plot = Plot::followed("projection, less its beginning", ("before learning", 0.0), vec![panel]);
    let caption = "How far the answers of a probe set fixed in advance have moved along the vector since before the first step, read by \
                   the model as it is then, without steering; the mean over the training seeds.";
    Some(Figure::new(&format!("drift{}", group.file), &title, caption, plot))
}

fn pull(results: &Results<'_>, group: &Group<'_>) -> Option<Figure> {
    group.followed.iter().find_map(|followed| followed.checkpoints().next())?;
    let layer = results.layer;
    // The gradient of a regulariser's own loss is a hundred times the data's and would hide it.
    let shown: Vec<&Followed<'_>> = group.followed.iter().filter(|f| f.arm.kind != ArmKind::Regularize).collect();
    let sides: [(Side, &str); 2] = [(|report| &report.off, "off"), (|report| &report.on, "on")];
    let panel = |title: String, x: &str, curves| Panel { title, x: x.into(), curves, levels: Vec::new() };
    let over_steps = sides.map(|(side, word)| {
        let at = |watched: &ProbeMetrics| -> Vec<(usize, f64)> {
            let of = |report: &GradientReport| Some((report.step, (*side(report).get(layer.block())?)?));
            watched.pressure.iter().filter_map(of).collect()
        };
        panel(format!("Intervention {word}, {layer}"), "step", curves(&shown, &|followed| followed.by_step(&at)))
    });
    let over_layers = sides.map(|(side, word)| {
        let curves = curves(&shown, &|followed| followed.by_layer(side));
        panel(format!("Intervention {word}, before the first step"), "layer", curves)
    });
    let panels = over_steps.into_iter().chain(over_layers).collect();
    let caption = "How fast the mean loss falls if the outputs of a layer's block move along the vector at the learned tokens: above 0 \
                   learning pushes them there. Measured on one batch of each finetune's own conversations, of the weights as they are at \
                   the step, without the intervention of training (off) and with it (on). A whole ablation leaves 0 by construction; what \
                   changes the data alone has the same on both sides; a regulariser's own loss pulls so much that it is in the table alone.";
    let plot = Plot::followed("pull, nats per token and unit of length", ("no pull", 0.0), panels);
    let title = format!("{}Gradient pressure", group.name);
    Some(Figure::new(&format!("pressure{}", group.file), &title, caption, plot))
}

fn table(group: &Group<'_>) -> Option<Grid> {
    let row = |followed: &Followed<'_>| {
        let verdict = Verdict::of(&followed.seeds)?;
        let Verdict { off, on, checkpoints, smaller, towards, reversed, share, first } = verdict;
        let counts = [checkpoints, smaller, towards, reversed].map(|count| Some(count as f64));
        let numbers = [first.0, first.1, off, on]
            .map(Some)
            .into_iter()
            .chain(counts)
            .chain([Some(share), Some(verdict.chance())]);
        Some((followed.named(), numbers.collect::<Vec<_>>()))
    };
    let rows: Vec<_> = group.followed.iter().filter_map(row).collect();
    let columns = "off at first,on at first,off,on,checkpoints,smaller with it,towards without it,reversed,share,p";
    (!rows.is_empty()).then(|| Grid {
        file: format!("pressure-arms{}", group.file),
        title: format!("{}The data's pull along the vector, with the intervention and without", group.name),
        caption: "Before the first step, when all arms have the same weights, and over all checkpoints; means over the layers, in nats per token and unit of length; at how many checkpoints the pull is smaller \
                  with the intervention, and at how many of those where the data pulls towards the trait it is reversed; `share` is of \
                  checkpoints and layers, `p` of a two-sided sign test over the checkpoints, which follow each other and so are not \
                  independent. Arms that leave model and loss alone are missing: both sides are one measurement."
            .into(),
        corner: "arm".into(),
        columns: columns.split(',').map(str::to_owned).collect(),
        rows,
    })
}

impl Verdict {
    /// `None` where the gradient was not measured, or in a plain finetune.
    fn of(seeds: &[&ProbeMetrics]) -> Option<Self> {
        let mut verdict = Self::default();
        let (mut off, mut on, mut pairs, mut smaller_pairs) = (Vec::new(), Vec::new(), 0, 0);
        for report in seeds.iter().flat_map(|watched| &watched.pressure) {
            let known: Vec<(f64, f64)> =
                report.off.iter().zip(&report.on).filter_map(|(off, on)| Some(((*off)?, (*on)?))).collect();
            pairs += known.len();
            smaller_pairs += known.iter().filter(|(off, on)| on < off).count();
            let (all_off, all_on): (Vec<f64>, Vec<f64>) = known.into_iter().unzip();
            off.push(mean(&all_off));
            on.push(mean(&all_on));
        }
        if off.is_empty() || off == on {
            return None;
        }
        for (off, on) in off.iter().zip(&on) {
            verdict.smaller += usize::from(on < off);
            verdict.towards += usize::from(*off > 0.0);
            verdict.reversed += usize::from(*off > 0.0 && *on < 0.0);
        }
        (verdict.off, verdict.on, verdict.checkpoints) = (mean(&off), mean(&on), off.len());
        let starts = seeds.iter().flat_map(|w| &w.pressure).zip(off.iter().zip(&on)).filter(|(row, _)| row.step == 0);
        let (off, on): (Vec<f64>, Vec<f64>) = starts.map(|(_, (off, on))| (*off, *on)).unzip();
        verdict.first = (mean(&off), mean(&on));
        verdict.share = smaller_pairs as f64 / pairs as f64;
        Some(verdict)
    }

    fn chance(&self) -> f64 {
        sign_test(self.smaller, self.checkpoints)
    }

    /// By how much the intervention lowers the gradient before the first step.
    fn taken(&self) -> f64 {
        self.first.0 - self.first.1
    }

    /// `controls`: by how much random vectors lower the gradient before the first step. `None` where a sign test is not significant.
    fn met(&self, controls: &[f64]) -> Option<bool> {
        let smaller = 2 * self.smaller > self.checkpoints;
        (self.chance() < CHANCE).then_some(smaller && controls.iter().all(|control| self.taken() > *control))
    }

    fn said(&self, controls: &[f64]) -> String {
        let Self { off, on, checkpoints, smaller, towards, reversed, share, first } = self;
        let most = controls
            .iter()
            .copied()
            .reduce(f64::max)
            .map_or_else(String::new, |most| format!(" (vectors without meaning take away at most {most:+.2e})"));
        format!(
            "before the first step {:+.2e} with the steering, {:+.2e} without{most}; over all checkpoints {on:+.2e} and {off:+.2e} (means over \
             the layers, nats per token and unit of length); smaller at {smaller} of {checkpoints} checkpoints (sign test p = {:.1e}), at \
             {:.0} % of checkpoints and layers; reversed at {reversed} of the {towards} where the data pulls towards the trait",
            first.1,
            first.0,
            self.chance(),
            100.0 * share
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(rows: &[([f64; 2], [f64; 2])]) -> ProbeMetrics {
        let row = |(i, (off, on)): (usize, &([f64; 2], [f64; 2]))| GradientReport {
            step: 10 * i,
            on: on.iter().copied().map(Some).chain([None]).collect(),
            off: off.iter().copied().map(Some).chain([None]).collect(),
        };
        ProbeMetrics { start: Some(1.0), drift: Vec::new(), pressure: rows.iter().enumerate().map(row).collect() }
    }

    #[test]
    fn a_verdict_counts_checkpoints_and_layers() {
        let smaller = ([0.25, 0.75], [-0.5, 0.25]);
        let split = ([-0.5, 0.25], [-1.0, 1.0]);
        let (one, two) = (watched(&[smaller; 4]), watched(&[smaller, smaller, split]));
        let verdict = Verdict::of(&[&one, &two]).unwrap();
        assert_eq!((verdict.checkpoints, verdict.smaller, verdict.towards, verdict.reversed), (7, 6, 6, 6));
        assert!((verdict.share - 13.0 / 14.0).abs() < 1e-12);
        assert!((verdict.off - (6.0 * 0.5 - 0.125) / 7.0).abs() < 1e-12);
        assert_eq!(verdict.met(&[]), None, "six of seven may be chance: p = 0.125");
        let clear = Verdict::of(&[&one, &one]).unwrap();
        assert_eq!((clear.first, clear.taken()), ((0.5, -0.125), 0.625));
        assert_eq!((clear.met(&[]), clear.met(&[0.5, -1.0]), clear.met(&[0.7])), (Some(true), Some(true), Some(false)));
        let larger = watched(&[([0.25, 0.75], [0.5, 1.0]); 8]);
        assert_eq!(Verdict::of(&[&larger]).unwrap().met(&[]), Some(false));
        assert_eq!(Verdict::of(&[&watched(&[([0.5, 0.5], [0.5, 0.5]); 8])]), None, "nothing intervened");
    }
}
