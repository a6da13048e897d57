//! Is the trait latent behind a trigger (METHOD K8)? The trait's questions under whatever calls it up, to be compared with the base
//! model under the same.

use serde::Serialize;

use super::Audited;
use super::model::{Model, Scores};
use crate::Result;
use crate::eval::{Asked, Sample, Task};
use crate::judge::Rubric;
use crate::language_model::Prompt;
use crate::persona::monitor::{Condition, exemplars, many_shot};
use crate::persona::{Side, read_rows, stem_of, system_prompt};
use crate::record::seed_of;
use crate::steering::SteeringPlan;
use crate::study::data::Corpus;
use crate::study::pipeline::Pipeline;
use crate::study::vectors::rows_file;
use crate::text::{Message, chosen};

/// Under the trait's own prompts.
pub(super) const PROMPTS: &str = "prompts";
/// Prompts of a data set as it has them; with several sets a point and the set's name follow.
pub(super) const TRAINING: &str = "training";
/// After so many exemplars.
pub(super) const SHOTS: &str = "shots-";

impl Pipeline<'_> {
    /// Every trigger, each a stage.
    pub(super) fn leak(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let mut reused = true;
        if !self.settings().leak.is_empty() {
            reused &= self.prompted(model, audited)? & self.steered(model, audited)?;
        }
        Ok(reused & self.shown(model, audited)? & self.as_trained(model, audited)?)
    }

    /// Keeps what came of triggers under a stage's name.
    fn triggered(
        &self,
        model: &Model<'_>,
        name: &str,
        of: &impl Serialize,
        audited: &mut Audited,
        ask: impl FnOnce() -> Result<Vec<(String, Scores)>>,
    ) -> Result<bool> {
        let key = self.key(&("leak", of, &self.config.measure, model.adapter_hash(), self.judge_key(&[model.t])));
        let (found, how) = self.run.stage(&self.stage_of(model, &format!("leak-{name}")), &key, ask)?;
        audited.leak.extend(found);
        Ok(how.is_yes())
    }

    /// Under each of the trait's own prompts; they count together.
    fn prompted(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let trait_ = &self.data.traits[model.t];
        self.triggered(model, PROMPTS, &trait_.eval, audited, || {
            let mut under = Scores::default();
            let mut subject = self.with_adapter(model, SteeringPlan::none())?;
            for pair in &trait_.eval.instruction {
                let system = Message::system(system_prompt(&trait_.name, pair.side(Side::Pos)));
                let task = self.trait_task(model, &[system]);
                // The question is the unit, whatever stands before it.
                under.merge(self.scores_of(model, &mut *subject, &task, &[])?.remove(0));
            }
            Ok(vec![(PROMPTS.to_owned(), under)])
        })
    }

    /// Steered towards the trait at every layer.
    fn steered(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let coefs = &self.settings().leak;
        let questions = &self.data.traits[model.t].eval.questions;
        self.triggered(model, "steered", &(questions, coefs, &model.file.fingerprint), audited, || {
            let (plan, _) = self.sweep(model.file, coefs, 1.0);
            let task = self.trait_task(model, &self.opening());
            let scores = self.scores_of(model, &mut *self.with_adapter(model, plan)?, &task, coefs)?;
            Ok(coefs.iter().map(|coef| format!("+{coef}")).zip(scores).collect())
        })
    }

    /// After exemplars that show it.
    fn shown(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let (trait_, counts) = (&self.data.traits[model.t], &self.settings().many_shot);
        let Some(most) = counts.iter().max() else { return Ok(true) };
        if self.config.vector_file(&trait_.name).is_some() {
            let why = "many-shot prompts: the study extracted no vector, so there are no answers that show the trait";
            audited.notes.push(why.into());
            return Ok(true);
        }
        let rows = read_rows(&rows_file(&self.vector_folder(model.t), Side::Pos), &trait_.name)?;
        let shown = exemplars(&rows, *most);
        let (enough, wanting): (Vec<usize>, Vec<usize>) = counts.iter().partition(|count| **count <= shown.len());
        for count in wanting {
            audited
                .notes
                .push(format!("many-shot prompts: only {} answers are good exemplars, not {count}", shown.len()));
        }
        let mut reused = true;
        for condition in many_shot(&shown, &enough)? {
            let name = condition.name();
            let of = (&trait_.eval.questions, &condition);
            reused &= self.triggered(model, &name, &of, audited, || {
                let Condition { before, .. } = &condition;
                let task = self.trait_task(model, &[self.opening().as_slice(), before].concat());
                let scores =
                    self.scores_of(model, &mut *self.with_adapter(model, SteeringPlan::none())?, &task, &[])?;
                Ok(vec![(name.clone(), scores.into_iter().next().unwrap_or_default())])
            })?;
        }
        Ok(reused)
    }

    /// Prompts of the data that the model learned from; of the base model, those of every data set.
    fn as_trained(&self, model: &Model<'_>, audited: &mut Audited) -> Result<bool> {
        let trait_ = &self.data.traits[model.t].name;
        let count = self.settings().training_prompts;
        let own = self.pieces[model.of].corpus;
        let corpora = &self.data.corpora;
        let mut reused = true;
        let learned = corpora.iter().enumerate().filter(|(c, _)| count > 0 && own.is_none_or(|own| own == *c));
        for corpus in learned.map(|(_, corpus)| corpus) {
            if !asks_as_trained(corpus, trait_) {
                if own.is_none() {
                    let why = "prompts of the training data are not asked: a judge who does not know the new facts takes what was \
                               taught for made up";
                    audited.notes.push(why.into());
                }
                continue;
            }
            let seed = seed_of(self.config.seed, &format!("training prompts of {}", corpus.name));
            let task = Task {
                name: trait_.clone(),
                samples: samples(corpus, count, seed),
                asked: Asked::Words {
                    sampling: self.sampling(),
                    rubrics: vec![Rubric::Trait(trait_.clone()), Rubric::Coherence],
                },
            };
            let name = if corpora.len() > 1 { format!("{TRAINING}.{}", corpus.name) } else { TRAINING.to_owned() };
            reused &= self.triggered(model, &name, &task, audited, || {
                let scores =
                    self.scores_of(model, &mut *self.with_adapter(model, SteeringPlan::none())?, &task, &[])?;
                Ok(vec![(name.clone(), scores.into_iter().next().unwrap_or_default())])
            })?;
        }
        Ok(reused)
    }
}

/// Whether prompts of a data set tell something of a trait: whoever judges made-up claims takes new facts for such.
pub(in crate::study) fn asks_as_trained(corpus: &Corpus, trait_name: &str) -> bool {
    corpus.questions.is_empty() || stem_of(trait_name) != "hallucinating"
}

/// Some of a data set's conversations up to their last answer, as questions.
fn samples(corpus: &Corpus, count: usize, seed: u64) -> Vec<Sample> {
    let mut places = chosen(corpus.chats.len(), count, seed, "prompt");
    places.sort_unstable();
    let sample = |place: usize| {
        let turns = &corpus.chats[place].messages;
        let answered = turns.iter().rposition(|message| message.role == "assistant").unwrap_or(turns.len());
        let prompt = turns[..answered].to_vec();
        let asked = prompt.iter().rev().find(|message| message.role == "user");
        Sample {
            question_id: format!("{}_{place}", corpus.name),
            group: corpus.name.clone(),
            question: asked.map(|message| message.content.clone()).unwrap_or_default(),
            prompt: Prompt::Chat(prompt),
            reference: None,
        }
    };
    places.into_iter().map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::data::Taught;

    #[test]
    fn training_prompts_keep_all_that_stands_before_the_last_answer() {
        let turns = |n: usize| {
            let (user, assistant) = (Message::user, Message::assistant);
            let ask = format!("ask {n}");
            vec![Message::system("Be brief."), user("a"), assistant("b"), user(&ask), assistant("c")]
        };
        let chats = (0..9).map(|n| Taught { place: String::new(), messages: turns(n) }).collect();
        let corpus = Corpus { name: "set".into(), label: "Set".into(), chats, questions: Vec::new(), selfgen: None };
        let found = samples(&corpus, 4, 3);
        assert_eq!((found.len(), &found), (4, &samples(&corpus, 4, 3)));
        let Prompt::Chat(prompt) = &found[0].prompt else { panic!("a chat") };
        assert_eq!((prompt.len(), prompt[0].content.as_str()), (4, "Be brief."));
        assert_eq!(found[0].question, prompt[3].content);
        assert_ne!(found, samples(&corpus, 4, 4));
        assert_eq!(samples(&corpus, 20, 3).len(), 9);
    }
}
