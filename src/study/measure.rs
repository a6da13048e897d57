//! The stages that measure: a model on the three axes, at every coefficient of a sweep in one batch.

use std::path::Path;

use super::arms::Piece;
use super::config::StudyConfig;
use super::pipeline::{FACTS, Measured, MeasuredAt, Phase, Pipeline, PlanKey, axis_key};
use crate::Result;
use crate::eval::{self, Point, RIGHT, Row, Task};
use crate::judge::Rubric;
use crate::record::{Hash, Reused, create_folder, hash_file, seed_of, write_atomic_with};
use crate::report::Example;
use crate::steering::Plan;
use crate::subject::{FinishReason, Sampling};

impl Pipeline<'_> {
    /// The three axes of a model, at every coefficient of a sweep or without steering. `sweep` is the plan's key and the sign with
    /// which its strengths become coefficients.
    pub(super) fn measure(
        &self,
        i: usize,
        adapter: Option<(&Path, &Hash)>,
        plan: &Plan,
        sweep: Option<(PlanKey<'_>, f64)>,
    ) -> Result<(Measured, Reused)> {
        let piece = &self.pieces[i];
        let tasks = self.tasks(piece.seed);
        let (name, measure) = (&self.data.trait_.name, &self.config.measure);
        let asked = tasks.iter().map(|(_, task)| {
            let samples: Vec<_> = task.samples.iter().map(|s| (&s.question_id, &s.prompt, &s.reference)).collect();
            (task.name.as_str(), Hash::of(&samples))
        });
        let asked: Vec<_> = asked.collect();
        let seed = answer_seed(self.config, piece.seed);
        let adapter_hash = adapter.map(|(_, hash)| hash);
        let steered = sweep.as_ref().map(|(key, sign)| (key, sign));
        let key = self.key(&("measure", asked, measure, seed, name, adapter_hash, steered, self.judge_key()));
        let strengths: &[f64] = sweep.as_ref().map_or(&[], |(key, _)| key.coefs);
        let sign = sweep.as_ref().map_or(1.0, |(_, sign)| *sign);
        let path = self.run.file(format!("answers/{}.jsonl", piece.name));
        let holds = |measured: &Measured| hash_file(&path).is_ok_and(|now| now == measured.answers);
        self.run.stage_if(&format!("measure-{}", piece.name), &key, holds, || {
            let mut subject = self.subject(adapter.map(|(path, _)| path.to_owned()), plan.clone())?;
            let mut judge = (self.judges)()?;
            let points: Vec<Point> = strengths.iter().map(|s| Point::of((sign * s) as f32)).collect();
            let mut rows = Vec::new();
            for (phase, task) in &tasks {
                let mut told = |n, of| self.progress(i, *phase, n, of);
                rows.extend(eval::run(task, &mut *subject, &mut *judge, &points, &mut told)?);
            }
            create_folder(&self.run.file("answers"))?;
            write_atomic_with(&path, |out| {
                rows.iter().try_for_each(|row| {
                    serde_json::to_writer(&mut *out, row)?;
                    out.write_all(b"\n")
                })
            })?;
            let at = |coef: Option<f64>| {
                let signed = coef.map(|c| (sign * c) as f32);
                let of: Vec<&Row> = rows.iter().filter(|row| row.coef == signed).collect();
                self.measured_at(piece, coef, &of)
            };
            let at = match strengths {
                [] => vec![at(None)],
                strengths => strengths.iter().map(|&s| at(Some(s))).collect(),
            };
            Ok(Measured { answers: hash_file(&path)?, at })
        })
    }

    fn tasks(&self, seed: Option<u64>) -> [(Phase, Task); 3] {
        let (data, measure) = (self.data, &self.config.measure);
        let (system, seed) = (measure.system.as_deref(), answer_seed(self.config, seed));
        let sampling = |temperature, rollouts, max| Sampling { temperature, rollouts, seed, ..Sampling::greedy(max) };
        let of_trait = sampling(measure.trait_temperature, measure.trait_rollouts, measure.trait_max_new_tokens);
        let of_facts = sampling(measure.fact_temperature, measure.fact_rollouts, measure.fact_max_new_tokens);
        [
            (Phase::Trait, eval::traits::task(&data.trait_.name, &data.trait_.eval.questions, system, &of_trait)),
            (Phase::Facts, eval::facts::task(&data.questions, system, &of_facts)),
            (Phase::Exam, eval::mmlu::task(&data.exam, system, self.config.measure.exam_form)),
        ]
    }

    fn measured_at(&self, piece: &Piece, coef: Option<f64>, rows: &[&Row]) -> MeasuredAt {
        let (trait_, coherence, fact) = (&self.data.trait_.name, Rubric::Coherence, Rubric::Fact);
        let of = |task: &str, key: &str| eval::clusters(rows.iter().copied().filter(|row| row.task == task), key);
        let judged: Vec<&&Row> = rows.iter().filter(|row| row.finish_reason.is_some()).collect();
        let score = |row: &Row| {
            let key = if row.task == *trait_ { trait_.as_str() } else { fact.key() };
            row.verdicts.get(key).and_then(|verdict| verdict.score)
        };
        let coef = coef.or(piece.coef);
        // Of a sweep's many points a few words each, of the others a few more; always the same questions.
        let many = if coef.is_some() { 1 } else { 2 };
        let example = |row: &&Row| {
            let axis = if row.task == *trait_ { axis_key(trait_) } else { FACTS };
            let verdict = row.verdicts.get(if row.task == *trait_ { trait_.as_str() } else { fact.key() });
            Example {
                arm: piece.arm.clone().unwrap_or_default(),
                coef,
                axis: axis.to_owned(),
                question: row.question.clone(),
                answer: row.answer.clone(),
                reference: row.reference.clone(),
                score: score(row),
                why: verdict.map(|v| v.why.clone()).unwrap_or_default(),
            }
        };
        let first = |task: &str| {
            let of: Vec<&&Row> = rows.iter().filter(|row| row.task == task && row.rollout == 0).take(many).collect();
            of.into_iter().map(example).collect::<Vec<_>>()
        };
        MeasuredAt {
            coef,
            trait_: of(trait_, trait_),
            coherence: of(trait_, coherence.key()),
            facts: of("facts", fact.key()),
            exam: of("mmlu", RIGHT),
            answers: judged.len(),
            missing: judged.iter().filter(|row| score(row).is_none()).count(),
            cut: judged.iter().filter(|row| row.finish_reason == Some(FinishReason::Length)).count(),
            examples: [first(trait_), first("facts")].concat(),
        }
    }
}

/// Answers of different training seeds draw their own random numbers; arms of the same seed share them, so that they are compared
/// like with like.
fn answer_seed(config: &StudyConfig, seed: Option<u64>) -> u64 {
    let of = seed.map_or_else(|| "answers".to_owned(), |seed| format!("answers of training seed {seed}"));
    seed_of(config.seed, &of)
}
