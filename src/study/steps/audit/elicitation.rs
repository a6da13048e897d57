//! Is the trait latent behind a trigger? The trait's questions under whatever elicits it, to be compared with the base model under
//! the same.

use serde::Serialize;

use super::model::{Audited, opening, sampling, scores, scores_at, trait_questions};
use crate::Result;
use crate::eval::{Asked, Sample, Task as Evaluation};
use crate::judge::Rubric;
use crate::language_model::Prompt;
use crate::persona::monitor::{Condition, exemplars, many_shot};
use crate::persona::{Side, system_prompt};
use crate::record::{Hash, seed_of};
use crate::steering::SteeringPlan;
use crate::study::config::MeasureSettings;
use crate::study::inputs::Corpus;
use crate::study::outputs::{AuditFindings, PROMPTS, Scores, TRAINING};
use crate::study::steps::context::Context;
use crate::study::steps::measure::Sweep;
use crate::study::steps::rollouts::{base_rows, has_rollouts};
use crate::text::{Message, chosen_in_order};

/// Every trigger, each a stage.
pub(super) fn elicitation(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    if !model.settings.elicitation.is_empty() {
        prompted(cx, model, findings)?;
        steered(cx, model, findings)?;
    }
    after_exemplars(cx, model, findings)?;
    as_trained(cx, model, findings)
}

#[derive(Serialize)]
struct ElicitationKey<'a, T> {
    asked: &'a T,
    measure: &'a MeasureSettings,
    adapter: Option<&'a Hash>,
    judge: Hash,
}

/// Keeps the scores under triggers as a stage.
fn elicited<T: Serialize>(
    cx: &Context<'_>,
    model: &Audited<'_>,
    name: &str,
    asked: &T,
    findings: &mut AuditFindings,
    ask: impl FnOnce() -> Result<Vec<(String, Scores)>>,
) -> Result<()> {
    let (measure, adapter) = (&cx.config.measure, model.adapter_hash());
    let key = ElicitationKey { asked, measure, adapter, judge: cx.judge_key(&[model.t]) };
    findings.elicitation.extend(cx.stage(&model.stage(&format!("leak-{name}")), &cx.key("elicitation", &key), ask)?);
    Ok(())
}

/// An evaluation without steering, by its name.
fn unsteered(
    cx: &Context<'_>,
    model: &Audited<'_>,
    name: &str,
    evaluation: &Evaluation,
) -> Result<Vec<(String, Scores)>> {
    let scores = scores(cx, model, &mut *model.open(cx, SteeringPlan::none())?, evaluation)?;
    Ok(vec![(name.to_owned(), scores)])
}

/// Under each of the trait's own positive system prompts; they count together.
fn prompted(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    let trait_ = model.trait_;
    elicited(cx, model, PROMPTS, &trait_.eval, findings, || {
        let mut under = Scores::default();
        let mut subject = model.open(cx, SteeringPlan::none())?;
        for pair in &trait_.eval.instruction {
            let system = Message::system(system_prompt(&trait_.name, pair.side(Side::Pos)));
            // The question is the unit, whatever stands before it.
            under.merge(scores(cx, model, &mut *subject, &trait_questions(cx, model, &[system]))?);
        }
        Ok(vec![(PROMPTS.to_owned(), under)])
    })
}

/// Steered towards the trait at every layer.
fn steered(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    let coefs = &model.settings.elicitation;
    let asked = (&model.trait_.eval.questions, coefs, &model.file.fingerprint);
    elicited(cx, model, "steered", &asked, findings, || {
        let plan = Sweep { vector: model.file, strengths: coefs, sign: 1.0 }.plan(cx.config);
        let questions = trait_questions(cx, model, &opening(cx));
        let scores = scores_at(cx, model, &mut *model.open(cx, plan)?, &questions, coefs)?;
        Ok(coefs.iter().map(|coef| format!("+{coef}")).zip(scores).collect())
    })
}

/// After exemplars that show it.
fn after_exemplars(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    let counts = &model.settings.many_shot;
    let Some(most) = counts.iter().max() else { return Ok(()) };
    if !has_rollouts(cx, model.t) {
        let why = "many-shot prompts: the study extracted no vector, so there are no answers that show the trait";
        findings.notes.push(why.into());
        return Ok(());
    }
    let [rows, _] = base_rows(cx, model.t)?;
    let shown = exemplars(&rows, *most);
    let (enough, wanting): (Vec<usize>, Vec<usize>) = counts.iter().partition(|count| **count <= shown.len());
    for count in wanting {
        let why = format!("many-shot prompts: only {} answers are good exemplars, not {count}", shown.len());
        findings.notes.push(why);
    }
    for condition in many_shot(&shown, &enough)? {
        let name = condition.name();
        let asked = (&model.trait_.eval.questions, &condition);
        elicited(cx, model, &name, &asked, findings, || {
            let Condition { before, .. } = &condition;
            let before = [opening(cx).as_slice(), before].concat();
            unsteered(cx, model, &name, &trait_questions(cx, model, &before))
        })?;
    }
    Ok(())
}

/// Prompts of the data that the model learned from; of the base model, those of every data set.
fn as_trained(cx: &Context<'_>, model: &Audited<'_>, findings: &mut AuditFindings) -> Result<()> {
    let (trait_name, count, own) = (&model.trait_.name, model.settings.training_prompts, model.of.corpus);
    for corpus in cx.inputs.learned_by(own).filter(|_| count > 0) {
        if !corpus.prompts_show(trait_name) {
            if own.is_none() {
                let why = "prompts of the training data are not asked: a judge who does not know the new facts takes what was \
                           taught for made up";
                findings.notes.push(why.into());
            }
            continue;
        }
        let seed = seed_of(cx.config.seed, &format!("training prompts of {}", corpus.name));
        let evaluation = Evaluation {
            name: trait_name.clone(),
            samples: samples(corpus, count, seed),
            asked: Asked::Words {
                sampling: sampling(cx),
                rubrics: vec![Rubric::Trait(trait_name.clone()), Rubric::Coherence],
            },
        };
        let name =
            if cx.inputs.corpora.len() > 1 { format!("{TRAINING}.{}", corpus.name) } else { TRAINING.to_owned() };
        elicited(cx, model, &name, &evaluation, findings, || unsteered(cx, model, &name, &evaluation))?;
    }
    Ok(())
}

/// Some of a data set's conversations up to their last answer, as questions.
fn samples(corpus: &Corpus, count: usize, seed: u64) -> Vec<Sample> {
    let places = chosen_in_order(corpus.chats.len(), count, seed, "prompt");
    let sample = |place: usize| {
        // Plain text asks nothing.
        let turns = corpus.chats[place].messages().ok()?;
        let answered = turns.iter().rposition(|message| message.role == "assistant").unwrap_or(turns.len());
        let prompt = turns[..answered].to_vec();
        let asked = prompt.iter().rev().find(|message| message.role == "user");
        Some(Sample {
            question_id: format!("{}_{place}", corpus.name),
            group: corpus.name.clone(),
            question: asked.map(|message| message.content.clone()).unwrap_or_default(),
            prompt: Prompt::Chat(prompt),
            reference: None,
        })
    };
    places.into_iter().filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finetune::SourcedChat;

    #[test]
    fn training_prompts_keep_all_that_stands_before_the_last_answer() {
        let turns = |n: usize| {
            let (user, assistant) = (Message::user, Message::assistant);
            let ask = format!("ask {n}");
            vec![Message::system("Be brief."), user("a"), assistant("b"), user(&ask), assistant("c")]
        };
        let chats = (0..9).map(|n| SourcedChat::new("", turns(n))).collect();
        let corpus = Corpus::new("set", "Set", (chats, Vec::new()));
        let found = samples(&corpus, 4, 3);
        assert_eq!((found.len(), &found), (4, &samples(&corpus, 4, 3)));
        let Prompt::Chat(prompt) = &found[0].prompt else { panic!("a chat") };
        assert_eq!((prompt.len(), prompt[0].content.as_str()), (4, "Be brief."));
        assert_eq!(found[0].question, prompt[3].content);
        assert_ne!(found, samples(&corpus, 4, 4));
        assert_eq!(samples(&corpus, 20, 3).len(), 9);
    }
}
