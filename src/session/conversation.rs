//! A conversation: its turns, its steering, its probe, and the answers that were kept.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::live_model::{LiveModel, Turn};
use super::probe::{Probe, ProbePlace, ProbeReading, ProbeScale, ShadedText};
use super::vectors::{ActiveSteering, SteeringRequest, VectorSet};
use crate::language_model::{Answer, CaptureSpec, Direction, FinishReason, Prompt, Sampling, StreamEvent};
use crate::record::write_jsonl;
use crate::steering::{Op, Positions};
use crate::text::{Message, Tokenizer};
use crate::vector::{Layer, Layers, layers_in_words};
use crate::{Error, Result};

/// A question that any model answers in its own voice, and the length of that answer in tokens: the middle of a probe's scale.
const NEUTRAL: (&str, usize) = ("Hello, how are you?", 24);

/// Receives answers while they are generated.
pub trait AnswerSink {
    /// An answer begins, under this title if there are several.
    fn begin(&mut self, title: Option<&str>, scale: Option<&ProbeScale>);

    /// It goes on; `shade` is the last token's place on the scale ([`ProbeScale::shade`]).
    fn text(&mut self, text: &str, shade: Option<f64>);

    fn end(&mut self);

    /// A remark about the conversation, of one line or several.
    fn note(&mut self, text: &str);

    /// Whether the answer should stop here. Each call resets the request.
    fn stop(&mut self) -> bool;
}

/// One answer with what led to it, as a saved conversation has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerRecord {
    messages: Vec<Message>,
    finish_reason: FinishReason,
    tokens: usize,
    sampling: Sampling,
    steering: Vec<Value>,
    probe: Option<ProbeReading>,
}

pub struct Conversation<'a> {
    model: LiveModel<'a>,
    tokenizer: Tokenizer,
    vectors: VectorSet,
    sampling: Sampling,
    positions: Positions,
    /// The system prompt, if it is not the model's own.
    pub system: Option<String>,
    turns: Vec<Message>,
    requests: Vec<SteeringRequest>,
    probe: Option<Probe>,
    answers: Vec<AnswerRecord>,
    /// Answers made so far; each draws its own random numbers.
    asked: usize,
}

impl<'a> Conversation<'a> {
    pub fn new(
        model: LiveModel<'a>,
        tokenizer: Tokenizer,
        vectors: VectorSet,
        sampling: Sampling,
        positions: Positions,
        system: Option<String>,
    ) -> Self {
        let (turns, requests, answers) = (Vec::new(), Vec::new(), Vec::new());
        Self { model, tokenizer, vectors, sampling, positions, system, turns, requests, probe: None, answers, asked: 0 }
    }

    pub fn answers(&self) -> &[AnswerRecord] {
        &self.answers
    }

    /// Forgets the turns; steering and probe stay.
    pub fn reset(&mut self) {
        self.turns.clear();
        self.answers.clear();
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        write_jsonl(path, &self.answers)
    }

    // ------------------------------------------------------------------------------------------------------- steering

    /// Steers along a vector from now on, at its present layers if none are named.
    pub fn steer(&mut self, name: &str, coef: f32, layers: Option<Layers>) -> Result<()> {
        self.vectors.get(name)?;
        let old = self.requests.iter().position(|request| request.vector == name);
        let layers = layers.or_else(|| old.map(|i| self.requests[i].layers.clone())).ok_or_else(|| {
            Error::usage(format!("at which layer is `{name}` to act?")).hint(format!("write {name}={coef}@LAYER"))
        })?;
        let request = SteeringRequest { vector: name.to_owned(), op: Op::Add, coef, layers, positions: self.positions };
        self.vectors.resolve(&request)?;
        match old {
            Some(i) => self.requests[i] = request,
            None => self.requests.push(request),
        }
        Ok(())
    }

    /// [`Self::steer`] for several vectors: all of them, or none if one is refused.
    pub fn steer_all(&mut self, all: Vec<(String, f32, Option<Layers>)>) -> Result<()> {
        let before = self.requests.clone();
        let steered = all.into_iter().try_for_each(|(name, coef, layers)| self.steer(&name, coef, layers));
        if steered.is_err() {
            self.requests = before;
        }
        steered
    }

    pub fn change_coefs(&mut self, step: f32) -> Result<()> {
        if self.requests.is_empty() {
            return Err(Error::usage("nothing is steered yet").hint("begin with /steer evil=1@20"));
        }
        self.requests.iter_mut().for_each(|request| request.coef += step);
        Ok(())
    }

    pub fn stop_steering(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => self.requests.clear(),
            Some(name) => {
                self.vectors.get(name)?;
                self.requests.retain(|request| request.vector != name);
            }
        }
        Ok(())
    }

    pub fn steering_summary(&self) -> String {
        let line = |request: &SteeringRequest| {
            let steering = self.vectors.resolve(request).ok()?;
            let norm = steering.norm();
            let shift = norm * f64::from(request.coef.abs());
            Some(format!("steering: {}, norm {norm:.4}, shift {shift:.4}", in_words(request, &steering)))
        };
        let lines: Vec<String> = self.requests.iter().filter_map(line).collect();
        if lines.is_empty() { "steering: none".into() } else { lines.join("\n") }
    }

    fn active(&self) -> Result<Vec<ActiveSteering>> {
        self.requests.iter().map(|request| self.vectors.resolve(request)).collect()
    }

    // -------------------------------------------------------------------------------------------------------- answers

    /// The user's next turn and the model's answer.
    pub fn say(&mut self, text: String, sink: &mut dyn AnswerSink) -> Result<()> {
        self.turns.push(Message::user(text));
        let answered = self.reply(sink);
        if answered.is_err() {
            self.turns.pop();
        }
        answered
    }

    /// Answers the last turn again, under the steering as it is now.
    pub fn regenerate(&mut self, sink: &mut dyn AnswerSink) -> Result<()> {
        if self.answers.is_empty() {
            return Err(Error::usage("there is no answer yet that could be given anew"));
        }
        let (turn, answer) = (self.turns.pop(), self.answers.pop());
        let answered = self.reply(sink);
        if answered.is_err() {
            self.turns.extend(turn);
            self.answers.extend(answer);
        }
        answered
    }

    /// One turn without and with steering, from the same random numbers. It is not kept.
    pub fn compare(&mut self, text: String, sink: &mut dyn AnswerSink) -> Result<()> {
        let active = self.active()?;
        if active.is_empty() {
            return Err(
                Error::usage("nothing is steered, so there is nothing to compare").hint("first: /steer evil=1@20")
            );
        }
        let turns: Vec<Message> = self.turns.iter().cloned().chain([Message::user(text)]).collect();
        let sides = [(Some("without steering"), Vec::new()), (Some("with steering"), active)];
        self.answer(&turns, &sides, sink).map(drop)
    }

    fn reply(&mut self, sink: &mut dyn AnswerSink) -> Result<()> {
        let active = self.active()?;
        let answer = self.answer(&self.turns.clone(), &[(None, active)], sink)?.remove(0);
        self.turns.extend(answer.messages.last().cloned());
        self.answers.push(answer);
        Ok(())
    }

    /// Answers a conversation under each of some steerings, in one batch: the first is shown as it grows, the others after it.
    fn answer(
        &mut self,
        turns: &[Message],
        sides: &[(Option<&str>, Vec<ActiveSteering>)],
        sink: &mut dyn AnswerSink,
    ) -> Result<Vec<AnswerRecord>> {
        let messages: Vec<Message> = self.system.iter().map(Message::system).chain(turns.iter().cloned()).collect();
        self.asked += 1;
        let turn = |(_, steering): &(_, Vec<ActiveSteering>)| {
            let (id, prompt) = (format!("turn {}", self.asked), Prompt::Chat(messages.clone()));
            Turn { id, prompt, steering: steering.clone() }
        };
        let turns: Vec<Turn> = sides.iter().map(turn).collect();
        let scale = self.scale();
        let scale = scale.as_ref();
        let probes = self.probe.iter().map(|probe| probe.direction.clone()).collect();
        let capture = CaptureSpec { probes, ..CaptureSpec::default() };
        let (mut texts, mut stopped) = (vec![ShadedText::default(); sides.len()], false);
        let began = Instant::now();
        sink.begin(sides[0].0, scale);
        let answers = self.model.answer(&turns, &self.sampling, &capture, &mut |event| {
            if let StreamEvent::Token { ask, token, .. } = event {
                let (text, shade) = texts[ask].push(&self.tokenizer, token.id, token.along.first().copied(), scale);
                if ask == 0 {
                    sink.text(&text, shade);
                }
            }
            stopped |= sink.stop();
            if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let rests: Vec<String> = texts.iter_mut().map(ShadedText::finish).collect();
        sink.text(&rests[0], None);
        sink.end();
        let (answers, seconds) = (answers?, began.elapsed().as_secs_f64());
        let mut records = Vec::new();
        for (i, ((title, steering), answer)) in sides.iter().zip(answers).enumerate() {
            if i > 0 {
                sink.begin(*title, scale);
                texts[i].pieces.iter().for_each(|(text, shade)| sink.text(text, *shade));
                sink.end();
            }
            let record = self.record(&messages, steering, answer, texts[i].mean());
            sink.note(&self.footer(&record, steering, seconds));
            records.push(record);
        }
        Ok(records)
    }

    fn record(
        &self,
        messages: &[Message],
        steering: &[ActiveSteering],
        answer: Answer,
        mean: Option<f64>,
    ) -> AnswerRecord {
        let Answer { text, finish_reason, token_ids, steered, .. } = answer;
        let probe = self.probe.as_ref().zip(mean).map(|(probe, mean)| {
            let (ProbePlace { vector, layer }, neutral) = (probe.place.clone(), probe.scale.neutral);
            ProbeReading { vector, layer, mean, neutral }
        });
        AnswerRecord {
            messages: messages.iter().cloned().chain([Message::assistant(text)]).collect(),
            finish_reason,
            tokens: token_ids.len(),
            sampling: self.sampling.clone(),
            steering: steering.iter().zip(steered).map(|(steering, n)| steering.applied(n)).collect(),
            probe,
        }
    }

    /// The line below an answer: length, speed, steering, and the probe's mean.
    fn footer(&self, answer: &AnswerRecord, steering: &[ActiveSteering], seconds: f64) -> String {
        let mut parts = vec![format!("{} tokens, {:.1} tokens/s", answer.tokens, answer.tokens as f64 / seconds)];
        match answer.finish_reason {
            FinishReason::Stop => {}
            FinishReason::Length => parts.push("cut off at the limit of tokens".into()),
            FinishReason::Cancelled => parts.push("stopped".into()),
        }
        for ((request, steering), applied) in self.requests.iter().zip(steering).zip(&answer.steering) {
            parts.push(format!("{}, {} positions", in_words(request, steering), applied["positions_steered"]));
        }
        let mut text = parts.join(" · ");
        if let Some((probe, ProbeReading { vector, layer, mean, neutral })) =
            self.probe.as_ref().zip(answer.probe.as_ref())
        {
            let norms = probe.scale.norms(*mean);
            text +=
                &format!("\n{vector}@{layer}: mean {mean:.3}, neutral {neutral:.3}, that is {norms:+.2} vectors away");
        }
        text
    }

    // --------------------------------------------------------------------------------------------------------- probes

    /// Watches a vector at a layer from now on, or none. The scale's middle is the mean of an unsteered answer to a neutral question.
    pub fn set_probe(&mut self, place: Option<ProbePlace>) -> Result<()> {
        self.probe = place.map(|place| self.measured_probe(place)).transpose()?;
        Ok(())
    }

    pub fn probe_summary(&self) -> String {
        match &self.probe {
            Some(Probe { scale: ProbeScale { name, neutral, norm, .. }, .. }) => {
                format!("probe: {name}; neutral is {neutral:.3}, the vector's norm {norm:.4}")
            }
            None => "probe: none".into(),
        }
    }

    fn measured_probe(&mut self, place: ProbePlace) -> Result<Probe> {
        let file = self.vectors.get(&place.vector)?;
        let layer = Layer::of(place.layer, self.vectors.layers())?;
        let norm = f64::from(file.response_avg.norm(layer));
        if norm == 0.0 {
            return Err(Error::usage(format!("`{}` is zero at {layer}: there is no direction", place.vector)));
        }
        let direction = Direction { layer, vector: file.response_avg.row(layer).to_vec() };
        let prompt = Prompt::Chat(vec![Message::user(NEUTRAL.0)]);
        let turn = Turn { id: "neutral".into(), prompt, steering: Vec::new() };
        let capture = CaptureSpec { probes: vec![direction.clone()], ..CaptureSpec::default() };
        let mut text = ShadedText::default();
        self.model.answer(&[turn], &Sampling::greedy(NEUTRAL.1), &capture, &mut |event| {
            if let StreamEvent::Token { token, .. } = event {
                text.push(&self.tokenizer, token.id, token.along.first().copied(), None);
            }
            ControlFlow::Continue(())
        })?;
        let neutral = text.mean().ok_or_else(|| Error::new("the model answers nothing that could be measured"))?;
        let name = format!("{} at {layer}", place.vector);
        Ok(Probe { place, direction, scale: ProbeScale { name, neutral, norm, reach: 1.0 } })
    }

    /// The probe's scale, wide enough for what the same vector's steering does to it.
    fn scale(&self) -> Option<ProbeScale> {
        let Probe { place, scale, .. } = self.probe.as_ref()?;
        let own = self.requests.iter().filter(|request| request.vector == place.vector);
        let reach = 1.0 + own.map(|request| f64::from(request.coef.abs())).sum::<f64>();
        Some(ProbeScale { reach, ..scale.clone() })
    }
}

/// A vector, its coefficient, its layers and its file's hash.
fn in_words(request: &SteeringRequest, steering: &ActiveSteering) -> String {
    let (place, positions) = (layers_in_words(&steering.layers()), request.positions.key());
    format!("{} {:+} at {place}, {positions} tokens, {:.12}", request.vector, request.coef, steering.fingerprint())
}
