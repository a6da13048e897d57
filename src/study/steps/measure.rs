//! The stages that measure: a model on every axis, at every coefficient of a sweep in one batch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::axes::{COHERENCE, EXAM, FACTS, projection_key, prompt_key, trait_key};
use super::config::StudyConfig;
use super::pieces::Piece;
use super::pipeline::{Along, CHUNK, Measured, MeasuredAt, Opinion, Phase, Pipeline, PlanKey};
use crate::Result;
use crate::eval::{self, Point, RIGHT, Row, Task};
use crate::judge::Rubric;
use crate::language_model::{FinishReason, LanguageModel, Residuals, Sampling};
use crate::persona::{Border, Metric, finish, projections};
use crate::record::{Hash, Reused, create_folder, hash_file, read_jsonl, seed_of, write_atomic_with};
use crate::report::Example;
use crate::stats::Clusters;
use crate::steering::SteeringPlan;
use crate::vector::VectorFile;

impl Pipeline<'_> {
    /// The axes of a model, at every coefficient of a sweep or without steering. `sweep` is the plan's key and the sign with which
    /// its strengths become coefficients.
    pub(super) fn measure(
        &self,
        i: usize,
        adapter: Option<(&Path, &Hash)>,
        plan: &SteeringPlan,
        sweep: Option<(PlanKey<'_>, f64)>,
    ) -> Result<(Measured, Reused)> {
        let piece = &self.pieces[i];
        let tasks = self.tasks(piece);
        let measure = &self.config.measure;
        let asked = tasks.iter().map(|(_, task)| {
            let samples: Vec<_> = task.samples.iter().map(|s| (&s.question_id, &s.prompt, &s.reference)).collect();
            (task.name.as_str(), Hash::of(&samples))
        });
        let asked: Vec<_> = asked.collect();
        let seed = answer_seed(self.config, piece.seed);
        let adapter_hash = adapter.map(|(_, hash)| hash);
        let steered = sweep.as_ref().map(|(key, sign)| (key, sign));
        let judge = self.judge_key(&self.asked_traits(piece));
        let key = self.key(&("measure", asked, measure, seed, adapter_hash, steered, judge));
        let strengths: &[f64] = sweep.as_ref().map_or(&[], |(key, _)| key.coefs);
        let sign = sweep.as_ref().map_or(1.0, |(_, sign)| *sign);
        let path = self.answers_file(piece);
        let holds = |measured: &Measured| hash_file(&path).is_ok_and(|now| now == measured.answers);
        self.run.stage_if(&format!("measure-{}", piece.name), &key, holds, || {
            let mut subject = self.language_model(adapter.map(|(path, _)| path.to_owned()), plan.clone())?;
            let mut judge = (self.judges)(Opinion::First)?;
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

    /// The traits whose questions a piece asks: the base model and plain finetunes show all of them, what is steered along one that
    /// one.
    fn asked_traits(&self, piece: &Piece) -> Vec<usize> {
        match piece.trait_ {
            Some(t) if !self.config.measure.all_traits => vec![t],
            _ => (0..self.data.traits.len()).collect(),
        }
    }

    fn tasks(&self, piece: &Piece) -> Vec<(Phase, Task)> {
        let (data, measure) = (self.data, &self.config.measure);
        let (system, seed) = (measure.system.as_deref(), answer_seed(self.config, piece.seed));
        let sampling = |temperature, rollouts, max| Sampling { temperature, rollouts, seed, ..Sampling::greedy(max) };
        let of_trait = sampling(measure.trait_temperature, measure.trait_rollouts, measure.trait_max_new_tokens);
        let of_facts = sampling(measure.fact_temperature, measure.fact_rollouts, measure.fact_max_new_tokens);
        let mut tasks = Vec::new();
        for t in self.asked_traits(piece) {
            let trait_ = &data.traits[t];
            let task = eval::traits::task(&trait_.name, &trait_.eval.questions, system, &of_trait);
            tasks.push((Phase::Trait, task));
        }
        // The base model is asked about everything that any finetune learns.
        let learned = data.corpora.iter().enumerate().filter(|(c, _)| piece.corpus.is_none_or(|own| own == *c));
        for (_, corpus) in learned.filter(|(_, corpus)| !corpus.questions.is_empty()) {
            tasks.push((Phase::Facts, eval::facts::task(&corpus.questions, system, &of_facts)));
        }
        if !data.exam.is_empty() {
            tasks.push((Phase::Exam, eval::mmlu::task(&data.exam, system, measure.exam_form)));
        }
        tasks
    }

    pub(super) fn answers_file(&self, piece: &Piece) -> PathBuf {
        self.run.file(format!("answers/{}.jsonl", piece.name))
    }

    /// Reads answers again and shows the states of each one that is not empty, in order.
    pub(super) fn read_answers(
        &self,
        i: usize,
        subject: &mut dyn LanguageModel,
        rows: &[&Row],
        see: &mut dyn FnMut(Residuals),
    ) -> Result<()> {
        let mut texts = Vec::new();
        for row in rows {
            texts.extend(finish(subject.tokenizer(), &row.prompt, &row.answer, Border::Separate)?);
        }
        for (n, chunk) in texts.chunks(CHUNK).enumerate() {
            subject.residuals(chunk)?.into_iter().for_each(&mut *see);
            self.progress(i, Phase::States, n * CHUNK + chunk.len(), texts.len());
        }
        Ok(())
    }

    /// How far the unsteered answers to each trait's questions, and the states before them, lie along that trait's vector.
    pub(super) fn project(
        &self,
        i: usize,
        vectors: &[(usize, &VectorFile)],
        adapter: Option<&Path>,
        measured: &Measured,
    ) -> Result<(Along, Reused)> {
        let piece = &self.pieces[i];
        let of: Vec<&str> = vectors.iter().map(|(_, file)| file.fingerprint.as_str()).collect();
        let key = self.key(&("along", &measured.answers, of, self.config.arms.layer));
        self.run.stage(&format!("along-{}", piece.name), &key, || {
            let rows: Vec<Row> = read_jsonl(&self.answers_file(piece))?;
            let mut subject = self.language_model(adapter.map(Path::to_owned), SteeringPlan::none())?;
            let mut along = Along::default();
            for &(t, file) in vectors {
                self.project_trait(i, &mut *subject, (t, file), &rows, &mut along)?;
            }
            Ok(along)
        })
    }

    fn project_trait(
        &self,
        i: usize,
        subject: &mut dyn LanguageModel,
        (t, file): (usize, &VectorFile),
        rows: &[Row],
        along: &mut Along,
    ) -> Result<()> {
        let name = &self.data.traits[t].name;
        let probes = self.probes(&[(t, file)], subject.shape().0, &[Metric::Proj, Metric::PromptLast])?;
        let (mut of, mut texts) = (Vec::new(), Vec::new());
        for row in rows.iter().filter(|row| row.task == *name) {
            // An empty answer lies nowhere.
            if let Some(text) = finish(subject.tokenizer(), &row.prompt, &row.answer, Border::Separate)? {
                of.push(row);
                texts.push(text);
            }
        }
        let mut told = |n| self.progress(i, Phase::States, n, texts.len());
        let values = projections(subject, &texts, &probes, CHUNK, &mut told)?;
        for (row, values) in of.into_iter().zip(values) {
            for (key, value) in [projection_key(name), prompt_key(name)].into_iter().zip(&values) {
                along.scores.entry(key).or_default().entry(row.question_id.clone()).or_default().push(*value);
            }
            if let Some(score) = row.verdicts.get(name).and_then(|verdict| verdict.score) {
                along.pairs.entry(trait_key(name).to_owned()).or_default().push((values[0], score));
            }
        }
        Ok(())
    }

    fn measured_at(&self, piece: &Piece, coef: Option<f64>, rows: &[&Row]) -> MeasuredAt {
        let names: Vec<&str> = self.data.traits.iter().map(|t| t.name.as_str()).collect();
        let of_trait = |row: &Row| names.iter().find(|name| **name == row.task).copied();
        let judged: Vec<&&Row> = rows.iter().filter(|row| row.finish_reason.is_some()).collect();
        let verdict = |row: &Row| row.verdicts.get(of_trait(row).unwrap_or(Rubric::Fact.key())).cloned();
        let score = |row: &Row| verdict(row).and_then(|verdict| verdict.score);
        let coef = coef.or(piece.coef);
        // Of a sweep's many points a few words each, of the others a few more; always the same questions.
        let many = if coef.is_some() { 1 } else { 2 };
        let example = |row: &&Row| Example {
            arm: piece.arm.clone().unwrap_or_default(),
            coef,
            axis: of_trait(row).map_or(FACTS, trait_key).to_owned(),
            question: row.question.clone(),
            answer: row.answer.clone(),
            reference: row.reference.clone(),
            score: score(row),
            why: verdict(row).map(|verdict| verdict.why).unwrap_or_default(),
        };
        let mut examples: Vec<Example> = Vec::new();
        for task in names.iter().copied().chain([FACTS]) {
            let of = rows.iter().filter(|row| row.task == task && row.rollout == 0 && row.finish_reason.is_some());
            examples.extend(of.take(many).map(example));
        }
        MeasuredAt {
            coef,
            scores: self.scores(rows),
            pairs: BTreeMap::new(),
            answers: judged.len(),
            missing: judged.iter().filter(|row| score(row).is_none()).count(),
            cut: judged.iter().filter(|row| row.finish_reason == Some(FinishReason::Length)).count(),
            examples,
        }
    }

    /// Every axis that the rows are of, by question.
    fn scores(&self, rows: &[&Row]) -> BTreeMap<String, Clusters> {
        let of = |task: &str, key: &str| eval::clusters(rows.iter().copied().filter(|row| row.task == task), key);
        let mut scores = BTreeMap::new();
        let mut coherence = Clusters::new();
        for name in self.data.traits.iter().map(|t| t.name.as_str()) {
            scores.insert(trait_key(name).to_owned(), of(name, name));
            coherence.extend(of(name, Rubric::Coherence.key()));
        }
        scores.insert(COHERENCE.to_owned(), coherence);
        scores.insert(FACTS.to_owned(), of("facts", Rubric::Fact.key()));
        scores.insert(EXAM.to_owned(), of("mmlu", RIGHT));
        scores.retain(|_, clusters| !clusters.is_empty());
        scores
    }
}

/// Answers of different training seeds draw their own random numbers; arms of the same seed share them, so that they are compared
/// like with like.
fn answer_seed(config: &StudyConfig, seed: Option<u64>) -> u64 {
    let of = seed.map_or_else(|| "answers".to_owned(), |seed| format!("answers of training seed {seed}"));
    seed_of(config.seed, &of)
}
