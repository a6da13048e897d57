//! The stages of a monitoring run: of each condition the answers, the states along the vector, the scores. Each is kept in the run's
//! folder, so that another vector or layer costs no answers, and another judge neither answers nor states.

use serde::{Deserialize, Serialize};

use super::condition::{Condition, Point, Setting};
use super::correlate::{Correlation, correlate};
use crate::judge::{Judge, JudgedItem, Rubric, Verdict, verdicts};
use crate::language_model::{Answer, FinishReason, Finished, LanguageModel, Request, Sampling};
use crate::persona::project::{Metric, Probe, projections};
use crate::persona::tokens::before_end;
use crate::record::{Hash, RunDir};
use crate::stats::mean;
use crate::{Error, Result, ensure};

/// Raised when the same inputs come to give other results.
const VERSION: u32 = 1;

/// What is measured, and how.
#[derive(Debug, Clone)]
pub struct MonitorRules {
    /// The trait's name.
    pub trait_name: String,
    /// The evaluation questions.
    pub questions: Vec<String>,
    /// What comes before them.
    pub conditions: Vec<Condition>,
    /// The vector and its layer; its metric says nothing here, all three are measured.
    pub probe: Probe,
    /// How answers are drawn.
    pub sampling: Sampling,
    /// Stands for the model, its adapter and the machine.
    pub subject: Hash,
    /// Stands for the judge and its rubrics.
    pub judge: Hash,
}

/// One answer as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredAnswer {
    pub text: String,
    pub token_ids: Vec<u32>,
    pub finish_reason: FinishReason,
}

/// How far the states of one answer, and of its prompt, lie along the vector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct AnswerProjection {
    pub prompt_last_proj: f64,
    pub proj: f64,
    pub cos_sim: f64,
}

/// What the judge said of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Judged {
    pub score: Option<f64>,
    pub coherence: Option<f64>,
    pub why: String,
}

/// One answer with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub said: StoredAnswer,
    pub projected: AnswerProjection,
    pub judged: Judged,
}

/// A finished monitoring run.
#[derive(Debug, Clone)]
pub struct Monitored {
    /// By condition, then question.
    pub points: Vec<Point>,
    /// By setting, then metric: last prompt token, response, cosine.
    pub correlations: Vec<Correlation>,
    /// By condition: its answers, question by question.
    pub(super) answers: Vec<Vec<Reply>>,
    /// Stages that were read from the folder, of all.
    pub reused: (usize, usize),
}

/// Measures, or reads from the folder what was measured before. `tell` hears the condition's name, what is being done, and how far
/// that is: (done, of all).
///
/// # Errors
/// Those of the model and the judge, with the condition in front; finished stages stay in the folder.
pub fn monitor(
    run: &RunDir,
    rules: &MonitorRules,
    model: &mut dyn LanguageModel,
    judge: &mut dyn Judge,
    tell: &mut dyn FnMut(&str, usize, usize),
) -> Result<Monitored> {
    ensure!(!rules.questions.is_empty() && !rules.conditions.is_empty(), "there is nothing to ask");
    let mut reused = 0;
    let mut all: Vec<(Vec<StoredAnswer>, Vec<AnswerProjection>)> = Vec::new();
    for condition in &rules.conditions {
        let name = condition.name();
        let place = |e: Error| e.at(&name);
        let asked = Hash::of(&(VERSION, &rules.subject, &rules.sampling, &rules.questions, condition));
        let (said, old) = run
            .stage(&format!("answers-{name}"), &asked, || {
                answer(condition, rules, model, &mut |d, n| tell(&name, d, n))
            })
            .map_err(place)?;
        let key = Hash::of(&(VERSION, &rules.subject, Hash::of(&said), &rules.probe, condition));
        let (projected, read) =
            run.stage(&format!("states-{name}"), &key, || states(condition, rules, model, &said)).map_err(place)?;
        reused += usize::from(old.is_yes()) + usize::from(read.is_yes());
        all.push((said, projected));
    }
    // The judge hears of everything before it is asked for anything, so that one estimate tells what it will come to.
    let rubrics = [Rubric::Trait(rules.trait_name.clone()), Rubric::Coherence];
    let mut foreseen: Vec<JudgedItem> = all.iter().flat_map(|(said, _)| items(rules, said)).collect();
    let (mut points, mut answers) = (Vec::new(), Vec::new());
    for (i, (said, projected)) in all.into_iter().enumerate() {
        let name = rules.conditions[i].name();
        let key =
            Hash::of(&(VERSION, Hash::of(&said), &rules.questions, &rules.trait_name, &rules.judge, judge.name()));
        let mut score = || {
            let coming = std::mem::take(&mut foreseen);
            if !coming.is_empty() {
                judge.foresee(&rubrics, &coming)?;
            }
            judged(judge, &rubrics, &items(rules, &said))
        };
        let (judged, heard) = run.stage(&format!("scores-{name}"), &key, &mut score).map_err(|e| e.at(&name))?;
        reused += usize::from(heard.is_yes());
        let replies = said.into_iter().zip(projected).zip(judged);
        let replies: Vec<Reply> =
            replies.map(|((said, projected), judged)| Reply { said, projected, judged }).collect();
        let of_question = replies.chunks(rules.sampling.rollouts).enumerate();
        points.extend(of_question.map(|(question, replies)| point(i, question, replies)));
        answers.push(replies);
    }
    let mut settings: Vec<Setting> = rules.conditions.iter().map(|c| c.setting).collect();
    settings.sort();
    settings.dedup();
    let metrics = [Metric::PromptLast, Metric::Proj, Metric::Cosine];
    let pairs = settings.iter().flat_map(|&setting| metrics.map(|metric| (setting, metric)));
    let seed = rules.sampling.seed;
    let correlations = pairs.map(|(s, m)| correlate(&rules.conditions, &points, s, m, seed)).collect();
    Ok(Monitored { points, correlations, answers, reused: (reused, 3 * rules.conditions.len()) })
}

fn answer(
    condition: &Condition,
    rules: &MonitorRules,
    model: &mut dyn LanguageModel,
    done: &mut dyn FnMut(usize, usize),
) -> Result<Vec<StoredAnswer>> {
    let name = condition.name();
    let ask = |(i, question): (usize, &String)| Request::chat(format!("{name}/{i}"), condition.ask(question));
    let asks: Vec<Request> = rules.questions.iter().enumerate().map(ask).collect();
    let total = asks.len() * rules.sampling.rollouts;
    let answers = model.generate(&asks, &rules.sampling, &mut |n| done(n, total))?;
    assert_eq!(answers.len(), total, "an answer per ask and rollout");
    let said = |answer: Answer| StoredAnswer {
        text: answer.text,
        token_ids: answer.token_ids,
        finish_reason: answer.finish_reason,
    };
    Ok(answers.into_iter().map(said).collect())
}

/// Reads every answer once more: a pass over whole texts costs little beside the making of them, and a few texts at a time need
/// little memory.
fn states(
    condition: &Condition,
    rules: &MonitorRules,
    model: &mut dyn LanguageModel,
    said: &[StoredAnswer],
) -> Result<Vec<AnswerProjection>> {
    const CHUNK: usize = 32;
    let prompt = |question: &String| model.tokenizer().chat_ids(&condition.ask(question), true);
    let prompts: Vec<Vec<u32>> = rules.questions.iter().map(prompt).collect::<Result<_>>()?;
    let text = |(i, said): (usize, &StoredAnswer)| {
        let response_ids = before_end(&said.token_ids, model.tokenizer()).to_vec();
        ensure!(!response_ids.is_empty(), "question {}: an answer without a token", i / rules.sampling.rollouts);
        let prompt_ids = prompts[i / rules.sampling.rollouts].clone();
        Ok(Finished { prompt_ids, response_ids })
    };
    let texts: Vec<Finished> = said.iter().enumerate().map(text).collect::<Result<_>>()?;
    let of = |metric| Probe { metric, column: format!("{metric:?}"), ..rules.probe.clone() };
    let probes = [Metric::PromptLast, Metric::Proj, Metric::Cosine].map(of);
    let values = projections(model, &texts, &probes, CHUNK, &mut |_| {})?;
    let projected = |v: Vec<f64>| AnswerProjection { prompt_last_proj: v[0], proj: v[1], cos_sim: v[2] };
    Ok(values.into_iter().map(projected).collect())
}

fn items(rules: &MonitorRules, said: &[StoredAnswer]) -> Vec<JudgedItem> {
    let item = |(i, said): (usize, &StoredAnswer)| JudgedItem {
        question: rules.questions[i / rules.sampling.rollouts].clone(),
        answer: said.text.clone(),
        reference: None,
    };
    said.iter().enumerate().map(item).collect()
}

fn judged(judge: &mut dyn Judge, [of_trait, coherence]: &[Rubric; 2], items: &[JudgedItem]) -> Result<Vec<Judged>> {
    let scores = verdicts(judge, of_trait, items)?;
    let coherences = verdicts(judge, coherence, items)?;
    let judged = |(score, coherence): (Verdict, Verdict)| Judged {
        score: score.score,
        coherence: coherence.score,
        why: score.why,
    };
    Ok(scores.into_iter().zip(coherences).map(judged).collect())
}

fn point(condition: usize, question: usize, replies: &[Reply]) -> Point {
    let mean_of = |of: fn(&Reply) -> Option<f64>| {
        let some: Vec<f64> = replies.iter().filter_map(of).collect();
        (!some.is_empty()).then(|| mean(&some))
    };
    let always =
        |of: fn(&AnswerProjection) -> f64| mean(&replies.iter().map(|reply| of(&reply.projected)).collect::<Vec<_>>());
    Point {
        condition,
        question,
        score: mean_of(|reply| reply.judged.score),
        coherence: mean_of(|reply| reply.judged.coherence),
        answers: replies.len(),
        missing: replies.iter().filter(|reply| reply.judged.score.is_none()).count(),
        // The prompt is the same for all of its answers.
        prompt_last_proj: replies[0].projected.prompt_last_proj,
        proj: always(|projected| projected.proj),
        cos_sim: always(|projected| projected.cos_sim),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ladder, many_shot};
    use super::*;
    use crate::fakes::{EchoModel, WordJudge};
    use crate::language_model::Prompt;
    use crate::vector::math::projection;

    fn rules() -> MonitorRules {
        let mut conditions = ladder(&["very bold".into(), "bold".into(), "meek".into()]);
        conditions.extend(many_shot(&[("Dare?".into(), "bold".into())], &[0, 1]).unwrap());
        MonitorRules {
            trait_name: "bold".into(),
            questions: vec!["Why?".into(), "How so?".into(), "When, and REFUSE?".into()],
            conditions,
            probe: Probe { column: "p".into(), ..Probe::made_up(Metric::PromptLast, 2) },
            sampling: Sampling { temperature: 1.0, rollouts: 2, ..Sampling::greedy(8) },
            subject: Hash::of("echo"),
            judge: Hash::of("word"),
        }
    }

    /// Is bold as often as its prompt says so; the second rollout less.
    fn language_model() -> EchoModel {
        EchoModel::new(|ask, rollout| {
            let Prompt::Chat(messages) = &ask.prompt else { panic!("a chat") };
            let bold = messages.iter().any(|m| m.content.contains("bold"));
            let very = messages.iter().any(|m| m.content.contains("very"));
            let refuse = if ask.id.ends_with("/2") { " REFUSE" } else { "" };
            format!("I am {}{refuse}", if very || (bold && rollout == 0) { "bold" } else { "meek" })
        })
    }

    #[test]
    fn points_are_means_over_rollouts_and_a_second_run_asks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path()).unwrap();
        let (rules, mut model) = (rules(), language_model());
        let mut heard = Vec::new();
        let found = monitor(&run, &rules, &mut model, &mut WordJudge("bold"), &mut |name, done, of| {
            heard.push(format!("{name} {done}/{of}"))
        })
        .unwrap();
        assert_eq!((found.points.len(), found.reused, heard[5].as_str()), (15, (0, 15), "system-3 6/6"));
        let scores: Vec<Option<f64>> = found.points.iter().step_by(3).map(|p| p.score).collect();
        assert_eq!(scores, [Some(0.0), Some(50.0), Some(100.0), Some(0.0), Some(50.0)]);
        let refused = &found.points[2];
        assert_eq!((refused.score, refused.missing, refused.answers), (None, 2, 2));
        assert_eq!(found.correlations.len(), 6);
        assert_eq!(found.correlations[0].overall.n, 6);

        // Against the definition, on the fake's own states.
        let state = |ids: &[u32]| -> Vec<f32> {
            (0..5).map(|d| ids.iter().map(|&id| EchoModel::state(id, 2, d)).sum::<f32>() / ids.len() as f32).collect()
        };
        let tokenizer = crate::fakes::tiny_tokenizer();
        let prompt = tokenizer.chat_ids(&rules.conditions[1].ask("Why?"), true).unwrap();
        let v = &rules.probe.vector;
        assert_eq!(found.points[3].prompt_last_proj, projection(&state(&prompt[prompt.len() - 1..]), v));
        let of = |text: &str| projection(&state(&tokenizer.encode(text).unwrap()), v);
        assert!((found.points[3].proj - (of("I am bold") + of("I am meek")) / 2.0).abs() < 1e-12);

        let asked = model.batches.len();
        let again = monitor(&run, &rules, &mut model, &mut WordJudge("bold"), &mut |_, _, _| {}).unwrap();
        assert_eq!((again.points, again.reused, model.batches.len()), (found.points, (15, 15), asked));
        // Another judge costs no answer.
        let other = monitor(
            &run,
            &MonitorRules { trait_name: "meek".into(), ..rules },
            &mut model,
            &mut WordJudge("meek"),
            &mut |_, _, _| {},
        )
        .unwrap();
        assert_eq!((other.reused, model.batches.len()), ((10, 15), asked));
    }
}
