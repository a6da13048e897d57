//! Is what was prevented durable (METHOD K9)? Plain finetuning goes on with conversations that show the trait.

use super::Audited;
use super::model::{Model, Scores};
use crate::persona::{self, Side, read_rows};
use crate::record::{create_folder, seed_of};
use crate::runtime::{FitSpec, Start};
use crate::stats::mean_of;
use crate::steering::SteeringPlan;
use crate::study::pipeline::{Phase, Pipeline, SHOWS};
use crate::study::vectors::rows_file;
use crate::text::{Message, Tokenizer};
use crate::train::FitSettings;
use crate::{Result, ensure};

/// The score that counts as learned again (METHOD K9).
pub(super) const LEARNED: f64 = 50.0;

/// How many conversations bring the score to [`LEARNED`], on straight lines between what was measured (number of conversations,
/// score; by ascending number). 0 if it was there before, nothing if the last number did not bring it there.
pub(super) fn until_learned(measured: &[(usize, f64)]) -> Option<f64> {
    if measured.first()?.1 >= LEARNED {
        return Some(0.0);
    }
    let crossing = measured.windows(2).find(|pair| pair[0].1 < LEARNED && pair[1].1 >= LEARNED)?;
    let ((from, low), (to, high)) = (crossing[0], crossing[1]);
    Some(from as f64 + (to - from) as f64 * (LEARNED - low) / (high - low))
}

/// The mean score after each number of conversations.
pub(super) fn curve(relearned: &[(usize, Scores)]) -> Vec<(usize, f64)> {
    let mut curve: Vec<(usize, f64)> = relearned.iter().map(|(n, scores)| (*n, mean_of(&scores.trait_))).collect();
    curve.sort_by_key(|(n, _)| *n);
    curve
}

impl Pipeline<'_> {
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
        let shows = |row: &&persona::Row| {
            row.trait_score().is_some_and(|s| s > SHOWS) && row.coherence().is_none_or(|c| c >= coherent)
        };
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
                let mut subject = self.with_adapter(model, SteeringPlan::none())?;
                return self.usual_scores(model, &mut *subject);
            }
            let tokenizer = Tokenizer::load(&self.config.model)?;
            let lesson = |chat: &&[Message; 2]| tokenizer.training_example(&chat[..], &self.config.lessons);
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
                examples: &lessons,
                holdout: &[],
                settings: settings.clone(),
                plan: SteeringPlan::none(),
                regularize: None,
                refresh: None,
                watch: None,
                checkpoint: None,
                out: out.clone(),
            };
            let outcome = self.runtime.fit(&spec, &mut |event| {
                if let crate::train::Event::Step(report, of, _) = event {
                    self.progress(model.i, Phase::Training, report.step, *of);
                }
                std::ops::ControlFlow::Continue(())
            })?;
            ensure!(outcome.complete, "the finetune ended after {} steps, before its time", outcome.steps);
            let mut subject = self.language_model(Some(out), SteeringPlan::none())?;
            self.usual_scores(model, &mut *subject)
        })?;
        Ok((scores, how.is_yes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_until_it_is_learned_lie_on_the_line() {
        for (measured, want) in [
            (&[(0, 10.0), (20, 30.0), (50, 70.0)][..], Some(35.0)),
            (&[(0, 60.0), (20, 90.0)], Some(0.0)),
            (&[(0, 0.0), (20, 50.0)], Some(20.0)),
            (&[(0, 0.0), (20, 49.0)], None),
            (&[(0, f64::NAN), (20, 90.0)], None),
            (&[], None),
        ] {
            assert_eq!(until_learned(measured), want, "{measured:?}");
        }
    }
}
