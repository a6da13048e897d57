//! The checks, each a stage of its own.

use std::path::Path;

use super::probe::Probe;
use super::{AuditSettings, Audited, Residue, Rotation, Scores, Told};
use crate::eval::{self, Point, Row};
use crate::judge::Rubric;
use crate::persona::{
    self, Border, Recipe, Side, cosine, extract_captured, finish, place_of, projection, read_rows, system_prompt,
};
use crate::record::{Hash, create_folder, read_jsonl, seed_of};
use crate::stats::auc;
use crate::steering::{Op, Part, Plan, Positions, Steer};
use crate::study::arms::single_layer;
use crate::study::pipeline::{CHUNK, Phase, Pipeline, SHOWS};
use crate::study::vectors::{Origin, rows_file, states};
use crate::study::{FitSpec, Start};
use crate::subject::{Sampling, Subject};
use crate::text::{Message, Tokenizer};
use crate::train::FitSettings;
use crate::vector::{Layer, PersonaVector, VectorFile};
use crate::{Result, ensure};

/// A model that is checked.
pub(super) struct Model<'a> {
    /// Place of the audit's piece.
    pub i: usize,
    /// The trait.
    pub t: usize,
    /// The old vector.
    pub file: &'a VectorFile,
    /// Place of the finetune's piece.
    pub finetune: Option<usize>,
    /// Its adapter, and that one's hash.
    pub adapter: Option<(&'a Path, &'a Hash)>,
}

impl Model<'_> {
    fn adapter_hash(&self) -> Option<&Hash> {
        self.adapter.map(|(_, hash)| hash)
    }
}

impl Pipeline<'_> {
    fn settings(&self) -> &AuditSettings {
        self.config.audit.as_ref().expect("an audit is configured")
    }

    fn stage_of(&self, model: &Model<'_>, check: &str) -> String {
        format!("{}-{check}", self.pieces[model.i].name)
    }

    fn wearing(&self, model: &Model<'_>, plan: Plan) -> Result<Box<dyn Subject>> {
        self.subject(model.adapter.map(|(path, _)| path.to_owned()), plan)
    }

    fn layer(&self, model: &Model<'_>) -> Result<Layer> {
        single_layer(self.config, model.file.response_avg.layers())
    }

    // -------------------------------------------------------------------------------------------------- K2 and K4

    /// Answers of the model under both kinds of prompts, a vector from them, and a fresh probe on their states. The base model's come
    /// from other random numbers than the study's vector: how far two extractions of one model differ.
    pub(super) fn extract_anew(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let name = &self.data.traits[model.t].name;
        let folder = self.run.file("audit").join(&self.pieces[model.i].name);
        let from = Origin {
            t: model.t,
            adapter: model.adapter,
            seed: seed_of(self.config.seed, "rollouts of the audit"),
            folder: folder.clone(),
        };
        let mut rows = Vec::new();
        let mut reused = true;
        let mut hashes = Vec::new();
        for side in [Side::Pos, Side::Neg] {
            let stage = self.stage_of(model, side.key());
            let (hash, how) = self.rollouts_of(model.i, &stage, &from, side)?;
            reused &= how.is_yes();
            hashes.push(hash);
            rows.push(read_rows(&rows_file(&folder, side), name)?);
        }
        let captured = [states(&folder, Side::Pos)?, states(&folder, Side::Neg)?];
        let mut recipe = Recipe::new(name, &self.config.model.display().to_string(), &self.fingerprint);
        recipe.filter = self.config.vector.filter;
        let layer = self.layer(model)?;
        let key = self.key(&("anew", &hashes, &model.file.fingerprint, recipe.filter, layer));
        let (found, how) = self.run.stage(&self.stage_of(model, "anew"), &key, || {
            let mut told = |n, of| self.progress(model.i, Phase::States, n, of);
            let rotation = match extract_captured(&captured, &rows[0], &rows[1], &recipe, &mut told) {
                Ok(made) => Ok(rotation(&model.file.response_avg, &made.file.response_avg, made.diagnosis.to_string())),
                // That no vector can be made is a finding: a side no longer shows, or no longer lacks, the trait.
                Err(e) => Err(format!("no vector could be extracted anew: {e}")),
            };
            let old = model.file.response_avg.row(layer);
            let mut kinds = Vec::new();
            for (rows, captured) in rows.iter().zip(&captured) {
                for (n, row) in rows.iter().enumerate() {
                    if let (Some(score), Some(states)) = (row.score, captured.read(n)?) {
                        kinds.push((
                            place_of(&row.question_id)?.0,
                            states.response_avg[layer.row()].clone(),
                            score > SHOWS,
                        ));
                    }
                }
            }
            Ok((rotation, told_apart(&kinds, old)))
        })?;
        match found.0 {
            Ok(rotation) => audited.rotation = Some(rotation),
            Err(why) => audited.notes.push(why),
        }
        audited.told = found.1;
        if audited.told.is_none() {
            audited.notes.push("no fresh probe: the answers are all of one kind".into());
        }
        Ok(reused && how.is_yes())
    }

    // --------------------------------------------------------------------------------------------------------- K3

    /// The mean shift of states at the layer, both models reading the finetune's answers to the trait's questions; its part along the
    /// vector; and what the rest does to the base model.
    pub(super) fn residue(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let Some(finetune) = model.finetune else { return Ok(true) };
        let (name, layer) = (&self.data.traits[model.t].name, self.layer(model)?);
        let answers = self.answers_file(&self.pieces[finetune]);
        let lengths = &self.settings().residue;
        let of = (crate::record::hash_file(&answers)?, &model.file.fingerprint, layer, lengths, &self.config.measure);
        let key = self.key(&("residue", of, model.adapter_hash(), self.judge_key(&[model.t])));
        let (residue, how) = self.run.stage(&self.stage_of(model, "residue"), &key, || {
            let rows: Vec<Row> = read_jsonl(&answers)?;
            let rows: Vec<&Row> = rows.iter().filter(|row| row.task == *name).collect();
            let [after, before] = [self.wearing(model, Plan::none())?, self.subject(None, Plan::none())?]
                .map(|mut subject| self.mean_state(model.i, &mut *subject, &rows, layer));
            let (after, before) = (after?, before?);
            let shift: Vec<f32> = after.iter().zip(&before).map(|(a, b)| (a - b) as f32).collect();
            let vector = model.file.response_avg.row(layer);
            let along = projection(&shift, vector);
            let norm = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let unit = |x: f32| f64::from(x) / norm(vector);
            let rest: Vec<f32> =
                shift.iter().zip(vector).map(|(&s, &v)| (f64::from(s) - along * unit(v)) as f32).collect();
            // At strength 1 the rest is as long as the vector.
            let scale = norm(vector) / norm(&rest).max(1e-12);
            let steer = Steer { layer, vector: rest.iter().map(|&x| (f64::from(x) * scale) as f32).collect() };
            let plan = Plan::from(Part { op: Op::Add, coef: 1.0, positions: Positions::Response, steers: vec![steer] });
            let mut base = self.subject(None, plan)?;
            let scores = self.trait_scores(model, &mut *base, None, lengths)?;
            let elicited = lengths.iter().copied().zip(scores).collect();
            Ok(Residue { shift: norm(&shift), along, elicited })
        })?;
        audited.residue = Some(residue);
        Ok(how.is_yes())
    }

    /// Mean over answers of the mean state over each one's tokens at a layer.
    fn mean_state(&self, i: usize, subject: &mut dyn Subject, rows: &[&Row], layer: Layer) -> Result<Vec<f64>> {
        let mut texts = Vec::new();
        for row in rows {
            texts.extend(finish(subject.tokenizer(), &row.prompt, &row.answer, Border::Separate)?);
        }
        let mut sum = vec![0.0; subject.shape().1];
        for (n, chunk) in texts.chunks(CHUNK).enumerate() {
            for residuals in subject.residuals(chunk)? {
                let state = &residuals.response_avg[layer.row()];
                sum.iter_mut().zip(state).for_each(|(s, &x)| *s += f64::from(x) / texts.len() as f64);
            }
            self.progress(i, Phase::States, n * CHUNK + chunk.len(), texts.len());
        }
        Ok(sum)
    }

    // --------------------------------------------------------------------------------------------------------- K8

    /// The trait's questions under each of its own prompts, and steered towards it.
    pub(super) fn leak(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let trait_ = &self.data.traits[model.t];
        let coefs = &self.settings().leak;
        let of = (&trait_.eval, coefs, &model.file.fingerprint, &self.config.measure);
        let key = self.key(&("leak", of, model.adapter_hash(), self.judge_key(&[model.t])));
        let (found, how) = self.run.stage(&self.stage_of(model, "leak"), &key, || {
            let mut found: Vec<(String, Scores)> = Vec::new();
            let mut under = Scores::default();
            let mut subject = self.wearing(model, Plan::none())?;
            for pair in &trait_.eval.instruction {
                let system = system_prompt(&trait_.name, pair.side(Side::Pos));
                let scores = self.trait_scores(model, &mut *subject, Some(&system), &[])?.remove(0);
                // The question is the unit, whatever stands before it.
                merge(&mut under, scores);
            }
            found.push(("prompts".into(), under));
            let (plan, _) = self.sweep(model.file, coefs, 1.0);
            let mut subject = self.wearing(model, plan)?;
            for (coef, scores) in coefs.iter().zip(self.trait_scores(model, &mut *subject, None, coefs)?) {
                found.push((format!("+{coef}"), scores));
            }
            Ok(found)
        })?;
        audited.leak = found.into_iter().collect();
        Ok(how.is_yes())
    }

    // --------------------------------------------------------------------------------------------------------- K9

    /// Plain finetuning goes on with conversations that show the trait: the base model's own answers under the trait's prompts,
    /// without the prompts.
    pub(super) fn relearn(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let name = &self.data.traits[model.t].name;
        if self.config.vector_file(name).is_some() {
            let why = "relearning: the study extracted no vector, so there are no answers that show the trait";
            audited.notes.push(why.into());
            return Ok(true);
        }
        let rows = read_rows(&rows_file(&self.vector_folder(model.t), Side::Pos), name)?;
        let coherent = self.config.vector.filter.min_coherence.unwrap_or_default();
        let shows =
            |row: &&persona::Row| row.score.is_some_and(|s| s > SHOWS) && row.coherence.is_none_or(|c| c >= coherent);
        let chats: Vec<[Message; 2]> = (rows.iter().filter(shows))
            .map(|row| [Message::user(row.question.as_str()), Message::assistant(row.answer.as_str())])
            .collect();
        // Before anything is learned: models begin at different scores.
        let (scores, mut reused) = self.relearned(model, &[])?;
        audited.relearned.push((0, scores));
        for &count in &self.settings().relearn {
            if chats.len() < count {
                audited.notes.push(format!("relearning: only {} answers show the trait, not {count}", chats.len()));
                continue;
            }
            // Spread over all questions, always the same ones.
            let chosen: Vec<&[Message; 2]> = (0..count).map(|n| &chats[n * chats.len() / count]).collect();
            let (scores, how) = self.relearned(model, &chosen)?;
            reused &= how;
            audited.relearned.push((count, scores));
        }
        Ok(reused)
    }

    fn relearned(&self, model: &Model<'_>, chats: &[&[Message; 2]]) -> Result<(Scores, bool)> {
        // So few steps would all be warm-up.
        let settings = FitSettings {
            epochs: 1,
            warmup_steps: 0,
            seed: self.config.seeds[0],
            save_steps: None,
            ..self.config.train.clone()
        };
        let stage = self.stage_of(model, &format!("relearn{}", chats.len()));
        let of = (chats, &settings, &self.config.lessons, &self.config.adapter, &self.config.measure);
        let key = self.key(&("relearn", of, model.adapter_hash(), self.judge_key(&[model.t])));
        let (scores, how) = self.run.stage(&stage, &key, || {
            if chats.is_empty() {
                let mut subject = self.wearing(model, Plan::none())?;
                return Ok(self.trait_scores(model, &mut *subject, None, &[])?.remove(0));
            }
            let tokenizer = Tokenizer::load(&self.config.model)?;
            let lesson = |chat: &&[Message; 2]| tokenizer.lesson(&chat[..], &self.config.lessons);
            let lessons = chats.iter().map(lesson).collect::<Result<Vec<_>>>()?;
            let start = match model.adapter {
                Some((path, _)) => Start::From(path.to_owned()),
                None => Start::Adapter(self.config.adapter.config(), seed_of(settings.seed, "adapter")),
            };
            let folder = self.run.file("audit").join(&self.pieces[model.i].name);
            create_folder(&folder)?;
            let out = folder.join(format!("relearned{}", chats.len()));
            let spec = FitSpec {
                model: self.config.model.clone(),
                start,
                lessons: &lessons,
                holdout: &[],
                settings: settings.clone(),
                plan: Plan::none(),
                regularize: None,
                refresh: None,
                watch: None,
                checkpoint: None,
                out: out.clone(),
            };
            let outcome = self.lab.fit(&spec, &mut |event| {
                if let crate::train::Event::Step(report, of, _) = event {
                    self.progress(model.i, Phase::Training, report.step, *of);
                }
                std::ops::ControlFlow::Continue(())
            })?;
            ensure!(outcome.complete, "the finetune ended after {} steps, before its time", outcome.steps);
            let mut subject = self.subject(Some(out), Plan::none())?;
            Ok(self.trait_scores(model, &mut *subject, None, &[])?.remove(0))
        })?;
        Ok((scores, how.is_yes()))
    }

    // ---------------------------------------------------------------------------------------------------------------

    /// The trait's questions, at every coefficient or without any.
    fn trait_scores(
        &self,
        model: &Model<'_>,
        subject: &mut dyn Subject,
        system: Option<&str>,
        coefs: &[f64],
    ) -> Result<Vec<Scores>> {
        let (trait_, measure) = (&self.data.traits[model.t], &self.config.measure);
        let sampling = Sampling {
            temperature: measure.trait_temperature,
            rollouts: measure.trait_rollouts,
            seed: seed_of(self.config.seed, "answers of the audit"),
            ..Sampling::greedy(measure.trait_max_new_tokens)
        };
        let system = system.or(measure.system.as_deref());
        let task = eval::traits::task(&trait_.name, &trait_.eval.questions, system, &sampling);
        let points: Vec<Point> = coefs.iter().map(|&coef| Point::of(coef as f32)).collect();
        let mut told = |n, of| self.progress(model.i, Phase::Trait, n, of);
        let rows = eval::run(&task, subject, &mut *(self.judges)()?, &points, &mut told)?;
        let at = |coef: Option<f32>| {
            let of: Vec<&Row> = rows.iter().filter(|row| row.coef == coef).collect();
            Scores {
                trait_: eval::clusters(of.iter().copied(), &trait_.name),
                coherence: eval::clusters(of.iter().copied(), Rubric::Coherence.key()),
            }
        };
        Ok(match coefs {
            [] => vec![at(None)],
            coefs => coefs.iter().map(|&coef| at(Some(coef as f32))).collect(),
        })
    }
}

/// Adds the scores under another prompt; questions keep their names.
fn merge(all: &mut Scores, more: Scores) {
    for (into, from) in [(&mut all.trait_, more.trait_), (&mut all.coherence, more.coherence)] {
        for (question, scores) in from {
            into.entry(question).or_default().extend(scores);
        }
    }
}

/// Cosines and norms layer by layer; a layer at which one is zero has none.
fn rotation(old: &PersonaVector, new: &PersonaVector, diagnosis: String) -> Rotation {
    let norm = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let layers = || (1..=old.layers()).map(Layer).map(|layer| (old.row(layer), new.row(layer)));
    let finite = |x: f64| x.is_finite().then_some(x);
    Rotation {
        cosines: layers().map(|(a, b)| finite(cosine(a, b))).collect(),
        norms: layers().map(|(a, b)| finite(norm(b) / norm(a))).collect(),
        diagnosis,
    }
}

/// A probe fitted on the answers to every other question, and the old vector, on the rest.
fn told_apart(kinds: &[(usize, Vec<f32>, bool)], old: &[f32]) -> Option<Told> {
    let of = |odd: bool| kinds.iter().filter(move |(question, ..)| (question % 2 == 1) == odd);
    let (states, shows): (Vec<Vec<f32>>, Vec<bool>) =
        of(false).map(|(_, state, shows)| (state.clone(), *shows)).unzip();
    let probe = Probe::fit(&states, &shows)?;
    let scores = |score: &dyn Fn(&[f32]) -> f64, kind: bool| -> Vec<f64> {
        of(true).filter(|(.., shows)| *shows == kind).map(|(_, state, _)| score(state)).collect()
    };
    let told = |score: &dyn Fn(&[f32]) -> f64| auc(&scores(score, true), &scores(score, false));
    let answers = (of(true).filter(|(.., shows)| *shows).count(), of(true).filter(|(.., shows)| !*shows).count());
    Some(Told { old: told(&|state| projection(state, old))?, fresh: told(&|state| probe.score(state))?, answers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_that_moved_is_told_by_a_fresh_probe_alone() {
        // The old vector is entry 0; the trait now shows in entry 1.
        let state =
            |n: usize, shows: bool| vec![((n * 37) % 11) as f32, if shows { 1.0 } else { -1.0 }, (n % 3) as f32];
        let kinds: Vec<_> = (0..80).map(|n| (n / 4, state(n, n % 2 == 0), n % 2 == 0)).collect();
        let told = told_apart(&kinds, &[1.0, 0.0, 0.0]).unwrap();
        assert!(told.fresh > 0.99 && (told.old - 0.5).abs() < 0.2, "{told:?}");
        assert_eq!(told.answers, (20, 20));
        assert!(told_apart(&kinds[..1], &[1.0, 0.0, 0.0]).is_none());
    }
}
