//! How well projections predict scores: over all points, and within conditions (Chen et al. 2025, section 3.3 and table 2).

use serde::Serialize;

use super::condition::{Condition, Point, Setting};
use crate::persona::names::stem_of;
use crate::persona::project::Metric;
use crate::stats::{Interval, mean, pearson, sample_std};

/// A condition whose scores vary less (standard deviation over the questions) has no meaningful correlation.
const SPREAD_MIN: f64 = 1.0;

/// The correlations of one setting by one metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Correlation {
    /// The setting.
    pub setting: Setting,
    /// What the scores are compared with.
    pub metric: Metric,
    /// Pearson's r over all points, its interval clustered by question.
    pub overall: Interval,
    /// The mean of the r within each condition, its interval clustered by question.
    pub within: Interval,
    /// The conditions that `within` is over.
    pub used: Vec<String>,
    /// Conditions whose scores hardly vary (standard deviation below 1), or that have too few.
    pub left_out: Vec<String>,
}

/// A condition's points: question, projection, score.
type Rung = Vec<(usize, f64, f64)>;

/// Correlates the points of a setting; those without a score are left out.
pub fn correlate(
    conditions: &[Condition],
    points: &[Point],
    setting: Setting,
    metric: Metric,
    seed: u64,
) -> Correlation {
    let of = |point: &Point| match metric {
        Metric::Proj => point.proj,
        Metric::PromptLast => point.prompt_last_proj,
        Metric::Cosine => point.cos_sim,
    };
    let ours = conditions.iter().enumerate().filter(|(_, condition)| condition.setting == setting);
    let rungs: Vec<(String, Rung)> = ours
        .map(|(i, condition)| {
            let points = points.iter().filter(|p| p.condition == i);
            (condition.name(), points.filter_map(|p| Some((p.question, of(p), p.score?))).collect())
        })
        .collect();
    let varies = |rung: &Rung| sample_std(&rung.iter().map(|p| p.2).collect::<Vec<_>>()) >= SPREAD_MIN;
    let (used, left_out): (Vec<_>, Vec<_>) = rungs.iter().partition(|(_, rung)| varies(rung));
    let names = |some: &[&(String, Rung)]| some.iter().map(|(name, _)| name.clone()).collect();

    let mut questions: Vec<usize> = rungs.iter().flat_map(|(_, rung)| rung.iter().map(|p| p.0)).collect();
    questions.sort_unstable();
    questions.dedup();
    let n = rungs.iter().map(|(_, rung)| rung.len()).sum();
    let all = Drawn::new(&questions, rungs.iter().map(|(_, rung)| rung));
    let within: Vec<Drawn> = used.iter().map(|(_, rung)| Drawn::new(&questions, [rung])).collect();
    let within_of = |drawn: &[usize]| {
        let each: Vec<f64> = within.iter().filter_map(|rung| rung.r(drawn)).collect();
        (!each.is_empty()).then(|| mean(&each))
    };
    Correlation {
        setting,
        metric,
        overall: Interval::of_statistic(questions.len(), n, seed, &|drawn| all.r(drawn)),
        within: Interval::of_statistic(questions.len(), n, seed, &within_of),
        used: names(&used),
        left_out: names(&left_out),
    }
}

/// Points by question, so that whole questions can be drawn.
struct Drawn {
    by_question: Vec<Vec<(f64, f64)>>,
}

impl Drawn {
    fn new<'a>(questions: &[usize], rungs: impl IntoIterator<Item = &'a Rung>) -> Self {
        let mut by_question = vec![Vec::new(); questions.len()];
        for &(question, x, y) in rungs.into_iter().flatten() {
            let at = questions.binary_search(&question).expect("every point's question is listed");
            by_question[at].push((x, y));
        }
        Self { by_question }
    }

    fn r(&self, drawn: &[usize]) -> Option<f64> {
        let points = drawn.iter().flat_map(|&i| &self.by_question[i]);
        let (x, y): (Vec<f64>, Vec<f64>) = points.copied().unzip();
        if x.is_empty() { None } else { pearson(&x, &y) }
    }
}

/// What the paper reports (Table 2, Qwen2.5-7B-Instruct).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Published {
    /// r over all points.
    pub overall: f64,
    /// Mean r within conditions.
    pub within: f64,
    /// Mean projection at the last prompt token without any system prompt or exemplar (a re-run of the reference).
    pub base_projection: f64,
}

/// The published values, if the model and the trait are the paper's.
pub fn published(model: &str, trait_name: &str, setting: Setting) -> Option<Published> {
    if !model.to_ascii_lowercase().ends_with("qwen2.5-7b-instruct") {
        return None;
    }
    let (system, many_shot, base_projection) = match stem_of(trait_name) {
        "evil" => ((0.747, 0.511), (0.755, 0.735), -24.66),
        "sycophantic" => ((0.798, 0.669), (0.817, 0.813), -11.15),
        "hallucinating" => ((0.830, 0.245), (0.634, 0.400), -11.42),
        _ => return None,
    };
    let (overall, within) = if setting == Setting::System { system } else { many_shot };
    Some(Published { overall, within, base_projection })
}

#[cfg(test)]
mod tests {
    use super::super::ladder;
    use super::*;

    fn point(condition: usize, question: usize, projection: f64, score: Option<f64>) -> Point {
        Point {
            condition,
            question,
            score,
            coherence: None,
            answers: 10,
            missing: 0,
            prompt_last_proj: projection,
            proj: -projection,
            cos_sim: 0.5,
        }
    }

    #[test]
    fn overall_and_within_by_hand() {
        let conditions = ladder(&["c".into(), "b".into(), "a".into()]);
        let mut points = Vec::new();
        for q in 0..4 {
            let x = q as f64;
            points.push(point(0, q, x, Some(0.1 * x)));
            points.push(point(1, q, 10.0 + x, Some(40.0 + 3.0 * x)));
            points.push(point(2, q, 20.0 + x, Some(90.0 - 3.0 * x)));
        }
        points.push(point(2, 4, 1e6, None));
        let of = |metric| correlate(&conditions, &points, Setting::System, metric, 0);
        let found = of(Metric::PromptLast);
        let (x, y): (Vec<f64>, Vec<f64>) = points.iter().filter_map(|p| Some((p.prompt_last_proj, p.score?))).unzip();
        assert!((found.overall.mean - pearson(&x, &y).unwrap()).abs() < 1e-12);
        assert!(found.overall.low > 0.9 && found.overall.high <= 1.0, "{found:?}");
        assert_eq!((found.overall.n, found.overall.clusters), (12, 4));
        // r = 1 and r = -1; the lowest rung's scores hardly vary.
        assert!(found.within.mean.abs() < 1e-12);
        assert_eq!(
            (found.used, found.left_out),
            (vec!["system-2".to_owned(), "system-1".to_owned()], vec!["system-3".to_owned()])
        );
        assert!((of(Metric::Proj).overall.mean + found.overall.mean).abs() < 1e-12);
        assert!(of(Metric::Cosine).overall.mean.is_nan(), "what does not vary has no correlation");
        assert!(correlate(&conditions, &points, Setting::ManyShot, Metric::Proj, 0).overall.mean.is_nan());
    }

    #[test]
    fn the_papers_values_are_for_the_papers_model() {
        let found = published("Qwen2.5-7B-Instruct", "hallucination", Setting::System).unwrap();
        assert_eq!((found.overall, found.within), (0.830, 0.245));
        assert!(published("Qwen2.5-7B-Instruct", "impolite", Setting::System).is_none());
        assert!(published("Qwen2.5-0.5B-Instruct", "evil", Setting::ManyShot).is_none());
    }
}
