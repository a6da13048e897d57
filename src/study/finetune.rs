//! The stages that train: one finetune for each arm, coefficient and training seed.

use std::fs;
use std::path::PathBuf;

use super::arms::Treatment;
use super::data::Taught;
use super::pipeline::{Event, Fitted, Phase, Pipeline, hash_folder};
use super::{Diary, FitSpec, Start};
use crate::record::{Hash, Reused, Tracking, create_folder, seed_of};
use crate::text::{Lesson, Message, Tokenizer};
use crate::train::{Event as FitEvent, FitSettings};
use crate::vector::{PersonaVector, VectorFile};
use crate::{At, Result, ensure};

impl Pipeline<'_> {
    fn fit_folder(&self, piece: usize) -> PathBuf {
        self.run.file("fits").join(&self.pieces[piece].name)
    }

    pub(super) fn adapter(&self, piece: usize) -> PathBuf {
        self.fit_folder(piece).join("adapter")
    }

    pub(super) fn finetune(
        &self,
        i: usize,
        treatment: Treatment,
        vector: Option<&VectorFile>,
        stand_in: Option<&PersonaVector>,
        taught: Vec<Taught>,
    ) -> Result<(Fitted, Reused)> {
        let piece = &self.pieces[i];
        let seed = piece.seed.expect("a finetune has a training seed");
        let change = self.change(piece, treatment, vector, stand_in, seed)?;
        let taught = self.changed_data(piece, treatment, taught, seed)?;
        let chats: Vec<&[Message]> = taught.iter().map(|taught| taught.messages.as_slice()).collect();
        let settings = FitSettings { seed, ..self.config.train.clone() };
        let (rules, shape) = (&self.config.lessons, &self.config.adapter);
        let key = self.key(&("fit", Hash::of(&chats), rules, shape, settings.decisive(), &change.key));
        let (folder, adapter) = (self.fit_folder(i), self.adapter(i));
        let holds = |fitted: &Fitted| hash_folder(&adapter).is_ok_and(|now| now == fitted.adapter);
        self.run.stage_if(&format!("fit-{}", piece.name), &key, holds, || {
            let tokenizer = Tokenizer::load(&self.config.model)?;
            let lesson = |of: &Taught| tokenizer.lesson(&of.messages, rules).map_err(|e| e.at(&of.place));
            let lessons: Vec<Lesson> = taught.iter().map(lesson).collect::<Result<_>>()?;
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
                lessons: &lessons,
                holdout: &[],
                settings: settings.clone(),
                plan: change.plan,
                regularize: change.regularize,
                refresh: change.refresh,
                watch: None,
                checkpoint: Some(checkpoint.clone()),
                out: adapter.clone(),
            };
            let mut diary = Diary::new(Tracking::tensorboard(&folder));
            let outcome = self.lab.fit(&spec, &mut |event| {
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
            Ok(Fitted { outcome, loss, shift_error, adapter })
        })
    }
}
