//! Whether the judge can be used, before hours of finetuning.

use super::context::Context;
use crate::eval::facts::FactQuestion;
use crate::judge::{JudgeSource, JudgedItem, Rubric, Verdict, verdicts};
use crate::record::Hash;
use crate::{Error, Result};

/// Shows the judge references as answers. One that calls them wrong would call everything wrong. A file of verdicts knows given
/// answers only and is not asked.
pub(in crate::study) fn check_judge(cx: &Context<'_>) -> Result<()> {
    const SHOWN: usize = 20;
    let questions: Vec<&FactQuestion> = cx.inputs.corpora.iter().flat_map(|corpus| &corpus.questions).collect();
    if questions.is_empty() || matches!(cx.config.judge, JudgeSource::Scored { .. }) {
        return Ok(());
    }
    let step = questions.len().div_ceil(SHOWN).max(1);
    let item = |q: &&FactQuestion| JudgedItem {
        question: q.question.clone(),
        answer: q.reference.clone(),
        reference: Some(q.reference.clone()),
    };
    let items: Vec<JudgedItem> = questions.iter().step_by(step).map(item).collect();
    let key = Hash::of(&("references are right", &cx.judge, &cx.judge_hash, &items));
    let check = || {
        let verdicts = verdicts(&mut *cx.judge()?, &Rubric::Fact, &items)?;
        let right = |v: &Verdict| v.score.is_some_and(|score| score >= 50.0);
        let wrong: Vec<_> = items.iter().zip(&verdicts).filter(|(_, verdict)| !right(verdict)).collect();
        let Some((item, verdict)) = wrong.first() else { return Ok(()) };
        let what = format!(
            "judge `{}` rejects {} of {} references that it was shown as answers, such as \"{}\" to \"{}\": {}",
            cx.judge,
            wrong.len(),
            items.len(),
            item.answer,
            item.question,
            if verdict.why.is_empty() { "no reason given" } else { &verdict.why }
        );
        Err(Error::new(what).hint("mend the judge, its rubric or the references: every new fact would count as wrong"))
    };
    cx.stage("judge", &key, check)
}
