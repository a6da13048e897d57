//! The stages that train: one finetune for each arm, coefficient and training seed.

use std::fs;
use std::path::PathBuf;

use super::arms::Treatment;
use super::data::Taught;
use super::pieces::Piece;
use super::pipeline::{Event, Fitted, Phase, Pipeline, hash_folder};
use crate::record::{Hash, Reused, Tracking, create_folder, seed_of};
use crate::runtime::{FitSpec, Start};
use crate::steering::SteeringPlan;
use crate::text::{Message, Tokenizer, TrainingExample};
use crate::train::{Event as FitEvent, FitSettings};
use crate::train::{TrainingLog, mean_state};
use crate::vector::{PersonaVector, VectorFile};
use crate::{At, Result, ensure};

impl Pipeline<'_> {
    fn fit_folder(&self, piece: usize) -> PathBuf {
        self.run.file("fits").join(&self.pieces[piece].name)
    }

    pub(super) fn adapter(&self, piece: usize) -> PathBuf {
        self.fit_folder(piece).join("adapter")
    }

    /// The base model's mean state over the conversations, as they are before any treatment: what an ablation to the mean leaves.
    pub(super) fn base_mean(&self, piece: &Piece, taught: &[Taught]) -> Result<PersonaVector> {
        let chats: Vec<&[Message]> = taught.iter().map(|taught| taught.messages.as_slice()).collect();
        let key = self.key(&("mean state", Hash::of(&chats), &self.config.lessons, self.config.seed));
        let (rows, _) = self.run.stage(&format!("mean-{}", piece.name), &key, || {
            let lessons = self.lessons(taught)?;
            let mut subject = self.language_model(None, SteeringPlan::none())?;
            Ok(mean_state(&mut *subject, &lessons, self.config.seed, &mut |_, _| {})?.rows)
        })?;
        PersonaVector::new(rows)
    }

    fn lessons(&self, taught: &[Taught]) -> Result<Vec<TrainingExample>> {
        let tokenizer = Tokenizer::load(&self.config.model)?;
        let lesson =
            |of: &Taught| tokenizer.training_example(&of.messages, &self.config.lessons).map_err(|e| e.at(&of.place));
        taught.iter().map(lesson).collect()
    }

    pub(super) fn finetune(
        &self,
        i: usize,
        treatment: Treatment,
        vectors: &[(usize, &VectorFile)],
        stand_in: Option<&PersonaVector>,
        taught: Vec<Taught>,
    ) -> Result<(Fitted, Reused)> {
        let piece = &self.pieces[i];
        let vector = piece.trait_.and_then(|own| vectors.iter().find(|(t, _)| *t == own)).map(|(_, file)| *file);
        let seed = piece.seed.expect("a finetune has a training seed");
        let change = self.change(piece, treatment, vector, stand_in, &taught, seed)?;
        let (untreated, taught) = (taught.clone(), self.changed_data(piece, treatment, taught, seed)?);
        let chats: Vec<&[Message]> = taught.iter().map(|taught| taught.messages.as_slice()).collect();
        let settings = FitSettings { seed, ..self.config.train.clone() };
        let (rules, shape) = (&self.config.lessons, &self.config.adapter);
        let key = self.key(&("fit", Hash::of(&chats), rules, shape, settings.decisive(), &change.key));
        // Without a watch the key is what it was before there were any.
        let key = match self.watch_key(piece, vectors)? {
            Some(watch) => Hash::of(&(key, watch)),
            None => key,
        };
        let (folder, adapter) = (self.fit_folder(i), self.adapter(i));
        let holds = |fitted: &Fitted| hash_folder(&adapter).is_ok_and(|now| now == fitted.adapter);
        self.run.stage_if(&format!("fit-{}", piece.name), &key, holds, || {
            let lessons = self.lessons(&taught)?;
            create_folder(&folder)?;
            if adapter.exists() {
                // What an earlier run left must not mix with what comes.
                fs::remove_dir_all(&adapter).at(&adapter)?;
            }
            // Named by the key: a checkpoint of other settings is no beginning for this run.
            let checkpoint = folder.join(format!("checkpoint-{}.safetensors", key.short()));
            let spec = FitSpec {
                model: self.config.model.clone(),
                start: Start::Adapter(shape.config(), seed_of(seed, "adapter")),
                examples: &lessons,
                holdout: &[],
                settings: settings.clone(),
                plan: change.plan,
                regularize: change.regularize,
                refresh: change.refresh,
                watch: self.watch(piece, vectors, &untreated, &lessons)?,
                checkpoint: Some(checkpoint.clone()),
                out: adapter.clone(),
            };
            let mut diary = TrainingLog::new(Tracking::tensorboard(&folder));
            let outcome = self.runtime.fit(&spec, &mut |event| {
                if let FitEvent::Step(report, of, _) = event {
                    let done = report.step as f64 / *of as f64;
                    let (phase, loss) = (Phase::Training, Some(report.loss));
                    let steps = Some((report.step, *of));
                    (self.tell)(&Event::Progress { piece: i, phase, done, loss, steps });
                }
                diary.hear(event)
            })?;
            diary.close()?;
            ensure!(outcome.complete, "the finetune ended after {} steps, before its time", outcome.steps);
            let _ = fs::remove_file(&checkpoint);
            let adapter = hash_folder(&adapter)?;
            let off = diary.proofs.iter().filter(|p| p.planned > 0.0).map(|p| (p.measured / p.planned - 1.0).abs());
            let (loss, shift_error) = (diary.last.map(|last| last.loss), off.reduce(f64::max));
            Ok(Fitted { outcome, loss, shift_error, adapter, watched: diary.watched })
        })
    }
}
