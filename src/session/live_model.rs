//! A model whose plan keeps a part for every steering requested lately, so that turns with different steering are one batch.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::vectors::ActiveSteering;
use crate::Result;
use crate::language_model::{
    Answer, Batch, CaptureSpec, Finished, LanguageModel, Prompt, Request, Sampling, StreamEvent,
};
use crate::runtime::{ModelSpec, Runtime};
use crate::steering::{Part, SteeringPlan};
use crate::text::Message;
use crate::vector::math::norm;

/// Parts that a plan may come to before those that no turn of the batch needs are dropped: each costs a product per token.
const PARTS_MAX: usize = 32;

/// What the length of the residual stream is measured on: an exchange in any model's own voice.
const NEUTRAL: [&str; 2] = ["Hello, how are you?", "I am well, thank you. How can I help you?"];

/// One turn to be answered under its own steering.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Names it, and keys its random numbers.
    pub id: String,
    pub prompt: Prompt,
    pub steering: Vec<ActiveSteering>,
}

pub struct LiveModel<'a> {
    runtime: &'a dyn Runtime,
    /// Its plan has every part at coefficient 0: a turn that does not request a part is not touched by it.
    spec: ModelSpec,
    model: Box<dyn LanguageModel>,
}

impl<'a> LiveModel<'a> {
    pub fn open(runtime: &'a dyn Runtime, model: PathBuf, adapter: Option<PathBuf>) -> Result<Self> {
        let spec = ModelSpec { model, adapter, plan: SteeringPlan::none() };
        let model = runtime.language_model(&spec)?;
        Ok(Self { runtime, spec, model })
    }

    /// Answers every turn in one batch; [`Answer::steered`] counts positions for the turn's own steering, in its order.
    pub fn answer(
        &mut self,
        turns: &[Turn],
        sampling: &Sampling,
        capture: &CaptureSpec,
        on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Answer>> {
        let requests = self.requests(turns)?;
        let mut answers = self.model.answer(&requests, sampling, capture, on_event)?;
        for (i, answer) in answers.iter_mut().enumerate() {
            count_own(answer, &turns[i / sampling.rollouts.max(1)].steering, &self.spec.plan.parts);
        }
        Ok(answers)
    }

    /// An empty batch of this model, which turns join and leave while others are answered.
    pub fn begin(&self) -> Result<LiveBatch> {
        Ok(LiveBatch { batch: self.model.begin()?, open: BTreeMap::new(), parts: self.spec.plan.parts.clone() })
    }

    /// Mean norm of the unsteered residual stream at a token of a neutral answer, by layer from 1: a coefficient times the
    /// vector's norm, by this, is the share that steering adds.
    pub fn residual_norms(&mut self) -> Result<Vec<f64>> {
        let tokenizer = self.model.tokenizer();
        let chat = [Message::user(NEUTRAL[0])];
        // A model without a template reads the question as it is.
        let prompt = tokenizer.chat_ids(&chat, true).or_else(|_| tokenizer.encode_whole(NEUTRAL[0]))?;
        let answer = tokenizer.encode(NEUTRAL[1])?;
        // One token each: the norm of a mean would be shorter, because what differs from token to token cancels.
        let upto = |i: usize| Finished {
            prompt_ids: [prompt.as_slice(), &answer[..i]].concat(),
            response_ids: vec![answer[i]],
        };
        let texts: Vec<Finished> = (0..answer.len()).map(upto).collect();
        let states = self.model.residuals(&texts)?;
        let mean = |layer: usize| {
            states.iter().map(|states| norm(&states.response_avg[layer])).sum::<f64>() / states.len() as f64
        };
        Ok((1..=self.model.shape().0).map(mean).collect())
    }

    /// The turns under a plan that has a part for all their steering. Models share their weights, so another plan is another
    /// handle.
    fn requests(&mut self, turns: &[Turn]) -> Result<Vec<Request>> {
        let needed: Vec<&Part> = turns.iter().flat_map(|turn| &turn.steering).map(|steering| &steering.part).collect();
        if let Some(parts) = extended(&self.spec.plan.parts, &needed) {
            let spec = ModelSpec { plan: SteeringPlan { parts }, ..self.spec.clone() };
            self.model = self.runtime.language_model(&spec)?;
            self.spec = spec;
        }
        Ok(turns.iter().map(|turn| request(turn, &self.spec.plan.parts)).collect())
    }
}

/// A batch whose plan keeps a part for every steering that acts or acted lately.
pub struct LiveBatch {
    batch: Box<dyn Batch>,
    /// Steering of the turns that are not answered.
    open: BTreeMap<usize, Vec<ActiveSteering>>,
    parts: Vec<Part>,
}

impl LiveBatch {
    /// Adds turns; gives the place of the first one among all that were ever added.
    pub fn add(&mut self, turns: &[Turn], sampling: &Sampling, capture: &CaptureSpec) -> Result<usize> {
        let new = turns.iter().flat_map(|turn| &turn.steering);
        let needed: Vec<&Part> = self.open.values().flatten().chain(new).map(|steering| &steering.part).collect();
        if let Some(parts) = extended(&self.parts, &needed) {
            self.batch.replan(&SteeringPlan { parts: parts.clone() })?;
            self.parts = parts;
        }
        let requests: Vec<Request> = turns.iter().map(|turn| request(turn, &self.parts)).collect();
        let first = self.batch.add(&requests, sampling, capture)?;
        self.open.extend(turns.iter().enumerate().map(|(i, turn)| (first + i, turn.steering.clone())));
        Ok(first)
    }

    pub fn turn(&mut self, on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>) -> bool {
        self.batch.turn(on_event)
    }

    /// As [`Batch::complete`], with positions counted as in [`LiveModel::answer`]; each turn has one answer.
    pub fn complete(&mut self) -> Vec<(usize, Result<Answer>)> {
        let mut complete = self.batch.complete();
        for (place, answer) in &mut complete {
            let steering = self.open.remove(place).unwrap_or_default();
            if let Ok(answer) = answer {
                count_own(answer, &steering, &self.parts);
            }
        }
        complete
    }

    pub fn waiting(&self) -> usize {
        self.batch.waiting()
    }

    pub fn forget(&mut self, place: usize) {
        self.open.remove(&place);
        self.batch.forget(place);
    }
}

/// Parts that include all those needed, if `parts` do not: as they are and what is missing, or those needed alone once there are
/// too many.
fn extended(parts: &[Part], needed: &[&Part]) -> Option<Vec<Part>> {
    let mut all = parts.to_vec();
    for &part in needed {
        if !all.contains(part) {
            all.push(part.clone());
        }
    }
    if all.len() > PARTS_MAX {
        all.retain(|part| needed.contains(&part));
    }
    (needed.iter().any(|part| !parts.contains(part))).then_some(all)
}

/// A turn as a request under a plan of these parts, which has all of its own; the same part twice adds up.
fn request(turn: &Turn, parts: &[Part]) -> Request {
    let mut coefs = vec![0.0; parts.len()];
    for steering in &turn.steering {
        if let Some(part) = part_of(steering, parts) {
            coefs[part] += steering.coef;
        }
    }
    Request { id: turn.id.clone(), prompt: turn.prompt.clone(), coefs: Some(coefs) }
}

fn part_of(steering: &ActiveSteering, parts: &[Part]) -> Option<usize> {
    parts.iter().position(|part| *part == steering.part)
}

/// Replaces the counts of the plan's parts by those of the turn's own steering.
fn count_own(answer: &mut Answer, steering: &[ActiveSteering], parts: &[Part]) {
    let counts = std::mem::take(&mut answer.steered);
    let count = |steering: &ActiveSteering| part_of(steering, parts).and_then(|part| counts.get(part)).copied();
    answer.steered = steering.iter().map(|steering| count(steering).unwrap_or_default()).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{EchoLab, EchoModel};
    use crate::session::{SteeringRequest, VectorSet};
    use crate::steering::{Op, Positions};
    use crate::vector::{Layers, PersonaVector, VectorFile};

    #[test]
    fn the_length_of_the_stream_is_a_mean_of_lengths() {
        let runtime = EchoLab(|_, _| String::new());
        let norms = LiveModel::open(&runtime, "model".into(), None).unwrap().residual_norms().unwrap();
        let ids = crate::fakes::tiny_tokenizer().encode(NEUTRAL[1]).unwrap();
        assert_eq!(norms.len(), EchoModel::LAYERS);
        for (i, found) in norms.iter().enumerate() {
            let state = |&id: &u32| -> f64 {
                let state = (0..EchoModel::HIDDEN).map(|d| f64::from(EchoModel::state(id, i + 1, d)).powi(2));
                state.sum::<f64>().sqrt()
            };
            let want = ids.iter().map(state).sum::<f64>() / ids.len() as f64;
            assert!((found / want - 1.0).abs() < 1e-5, "layer {}: {found} against {want}", i + 1);
        }
    }

    #[test]
    fn a_plan_holds_what_was_requested_lately() {
        let file = |x: f32| {
            let vector = PersonaVector::new(vec![vec![x], vec![x]]).unwrap();
            VectorFile::new(vector, None, None, Default::default()).unwrap()
        };
        let files = (1..=PARTS_MAX + 5).map(|i| (format!("v{i}"), file(i as f32))).collect();
        let vectors = VectorSet::new(files, 1);
        let runtime = EchoLab(|request, _| format!("{:?}", request.coefs.as_ref().unwrap()));
        let mut live = LiveModel::open(&runtime, "model".into(), None).unwrap();
        let mut ask = |names: &[&str]| -> Vec<Vec<f32>> {
            let turn = |name: &&str| {
                let (vector, layers) = ((*name).to_owned(), Layers::One(1));
                let request =
                    SteeringRequest { vector, op: Op::Add, coef: 3.0, layers, positions: Positions::Response };
                let steering = vec![vectors.resolve(&request).unwrap()];
                Turn { id: "t".into(), prompt: Prompt::Text("?".into()), steering }
            };
            let turns: Vec<Turn> = names.iter().map(turn).collect();
            let answers =
                live.answer(&turns, &Sampling::greedy(1), &CaptureSpec::default(), &mut |_| ControlFlow::Continue(()));
            answers.unwrap().iter().map(|answer| serde_json::from_str(&answer.text).unwrap()).collect()
        };
        assert_eq!(ask(&["v1", "v2", "v1"]), [[3.0, 0.0], [0.0, 3.0], [3.0, 0.0]]);
        for i in 3..=PARTS_MAX {
            let coefs = ask(&[&format!("v{i}")]).remove(0);
            assert_eq!((coefs.len(), coefs[i - 1], coefs.iter().sum::<f32>()), (i, 3.0, 3.0));
        }
        let (old, new) = ("v2", format!("v{}", PARTS_MAX + 1));
        assert_eq!(ask(&[old, &new]), [[3.0, 0.0], [0.0, 3.0]], "parts that no turn needs are dropped");
        assert_eq!(ask(&["v1"]), [[0.0, 0.0, 3.0]]);
    }
}
