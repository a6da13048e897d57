//! Whether a second judge sees the same.

use super::models::{Answer, Audit, AuditedModel, asked, statement};
use crate::report::{Expectation, ExpectationId, Grid};
use crate::stats::{Clusters, Interval, mean_of};
use crate::study::claims::thresholds::{AGREEMENT, SAME};
use crate::study::outputs::SecondJudge;

fn of<'a>(case: &AuditedModel<'a>) -> Option<&'a SecondJudge> {
    case.audited.second_judge.as_ref()
}

/// Both judges' means, and how far they agree, model by model.
pub fn grid(audit: &Audit<'_>) -> Option<Grid> {
    let judge = audit.cases.iter().find_map(of).map(|judged| judged.judge.as_str())?;
    let row = |case: &AuditedModel<'_>| {
        let judged = of(case)?;
        let agreement = Interval::of(&judged.agreement(), audit.seed());
        let [first, second] = judged.scores().map(|scores| mean_of(&scores));
        let missing = judged.answers.iter().filter(|both| both.second.is_none()).count() as f64;
        let known = |x: f64| x.is_finite().then_some(x);
        let agreement = [agreement.mean, agreement.low, agreement.high].map(known);
        let counts = [Some(judged.pairs().count() as f64), Some(missing)];
        let numbers = [&[known(first), known(second)][..], &agreement, &[judged.correlation()], &counts].concat();
        Some((case.cell.named(), numbers))
    };
    let columns = [
        "first judge",
        "second judge",
        "agreement, %",
        "low",
        "high",
        "Pearson's r",
        "answers",
        "without second score",
    ];
    Some(Grid {
        file: format!("second-judge{}", audit.of),
        title: format!("A second judge: {}", audit.key()),
        caption: format!(
            "The stored answers to the trait's questions of each audited model (first training seed), judged again by {judge}. Two judges \
             agree on an answer if both score it above 50, or both do not; intervals take questions as units."
        ),
        corner: "model".into(),
        columns: columns.map(str::to_owned).to_vec(),
        rows: audit.cases.iter().filter_map(row).collect(),
    })
}

/// Whether they agree, and whether what was prevented by one was by the other.
pub fn statements(audit: &Audit<'_>) -> Vec<Expectation> {
    [agreement(audit), order(audit)].into_iter().flatten().collect()
}

fn agreement(audit: &Audit<'_>) -> Option<Expectation> {
    let mut all = Clusters::new();
    for judged in audit.cases.iter().filter_map(of) {
        for (question, same) in judged.agreement() {
            all.entry(question).or_default().extend(same);
        }
    }
    let interval = Interval::of(&all, audit.seed());
    let holds = interval.mean.is_finite().then_some(interval.mean >= AGREEMENT);
    let shown = format!("{interval:.1} % of {} answers", interval.n);
    let claim = format!("The two judges agree on at least {AGREEMENT:.0} % of the answers");
    statement(ExpectationId::JudgesAgree, &claim, vec![Answer { of: "all models".into(), holds, shown }])
}

fn order(audit: &Audit<'_>) -> Option<Expectation> {
    let order = asked(audit.treated(), &|case| {
        let [plain, own] = [of(audit.plain_of(case)?)?, of(case)?].map(|judged| judged.scores().map(|s| mean_of(&s)));
        let below = [plain[0] - own[0], plain[1] - own[1]];
        let shown = format!("{:.0} and {:.0} points below plain", below[0], below[1]);
        // Only what the first judge sees prevented.
        (below[0] >= SAME).then(|| (below[1].is_finite().then_some(below[1] > 0.0), shown))
    });
    let claim = format!("What is {SAME:.0} points below plain finetuning to the first judge is below it to the second");
    statement(ExpectationId::JudgesOrder, &claim, order)
}
