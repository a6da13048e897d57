//! Does another judge see the same? The stored answers to the trait's questions, judged once more.

use super::model::Audited;
use crate::Result;
use crate::judge::{JudgedAnswer, JudgedItem, Rubric, verdicts_by};
use crate::record::{Hash, hash_file};
use crate::study::outputs::{AuditFindings, DoublyJudged, SecondJudge};
use crate::study::steps::context::Context;
use crate::study::steps::events::{JudgeRole, Phase};
use crate::study::steps::files::answers_file;

/// The second judge's scores, if there is one.
pub(super) fn second_judge(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    let Some(source) = &model.settings.second_judge else { return Ok(()) };
    let trait_ = model.trait_;
    let by = (source.hash()?, &trait_.name, &trait_.eval.eval_prompt);
    let key = Hash::of(&("second judge", by, hash_file(&answers_file(cx, model.of))?));
    let second = cx.stage(&model.stage("second"), &key, || {
        let rows = model.answers(cx)?;
        cx.progress(model.task, Phase::SecondJudge, 0, rows.len());
        let item = |row: &JudgedAnswer| JudgedItem {
            question: row.question.clone(),
            answer: row.answer.clone(),
            reference: row.reference.clone(),
        };
        let items: Vec<JudgedItem> = rows.iter().map(item).collect();
        let mut judge = (cx.judges)(JudgeRole::Second)?;
        let verdicts = verdicts_by(&mut *judge, &[Rubric::Trait(trait_.name.clone())], &items)?.concat();
        let both = rows.iter().zip(verdicts).map(|(row, verdict)| DoublyJudged {
            question_id: row.question_id.clone(),
            first: row.verdicts.get(&trait_.name).and_then(|verdict| verdict.score),
            second: verdict.score,
        });
        Ok(SecondJudge { answers: both.collect(), judge: judge.name().to_owned() })
    })?;
    findings.second_judge = Some(second);
    Ok(())
}
