//! A conversation: what was said, how it is steered, and what becomes of the next line.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::command::{Change, Command, HELP, Place};
use super::{Scale, Screen};
use crate::language_model::{Answer, CaptureSpec, Direction, FinishReason, Prompt, Sampling, StreamEvent};
use crate::record::write_atomic_with;
use crate::steering::{Op, Positions};
use crate::text::{Message, Tokenizer, Words};
use crate::vector::Layer;
use crate::verbs::live::{ActiveSteering, Live, SteeringRequest, Turn, Vectors};
use crate::verbs::steer::Layers;
use crate::{Error, Result};

/// Words that any model answers in its own voice, and the length of that answer in tokens: the middle of a probe's scale.
const NEUTRAL: (&str, usize) = ("Hello, how are you?", 24);

/// One answer of the conversation, as `/save` writes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    messages: Vec<Message>,
    finish_reason: FinishReason,
    tokens: usize,
    sampling: Sampling,
    steering: Vec<Value>,
    probe: Option<Probed>,
}

/// How far an answer's tokens lie along the probe.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Probed {
    vector: String,
    layer: usize,
    mean: f64,
    neutral: f64,
}

/// A vector that is being watched.
struct Probe {
    place: Place,
    direction: Direction,
    scale: Scale,
}

/// A conversation and everything about it that can be changed.
pub struct Talk<'a> {
    live: Live<'a>,
    tokenizer: Tokenizer,
    vectors: Vectors,
    sampling: Sampling,
    positions: Positions,
    system: Option<String>,
    turns: Vec<Message>,
    active: Vec<SteeringRequest>,
    probe: Option<Probe>,
    rows: Vec<Row>,
    /// Answers asked for so far; each draws its own random numbers.
    asked: usize,
}

impl<'a> Talk<'a> {
    /// A conversation in which nothing has been said.
    pub fn new(
        live: Live<'a>,
        tokenizer: Tokenizer,
        vectors: Vectors,
        sampling: Sampling,
        positions: Positions,
        system: Option<String>,
    ) -> Self {
        let (turns, active, rows) = (Vec::new(), Vec::new(), Vec::new());
        Self { live, tokenizer, vectors, sampling, positions, system, turns, active, probe: None, rows, asked: 0 }
    }

    /// The answers so far.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Takes line after line until there are no more.
    ///
    /// # Errors
    /// A line that can neither be read nor mended.
    pub fn go_on(&mut self, screen: &mut dyn Screen) -> Result<()> {
        while let Some(line) = screen.read()? {
            if line.trim().is_empty() {
                continue;
            }
            match line.parse().and_then(|command| self.obey(command, screen)) {
                Ok(ControlFlow::Break(())) => break,
                Ok(ControlFlow::Continue(())) => {}
                Err(e) => screen.wrong(e)?,
            }
        }
        Ok(())
    }

    fn obey(&mut self, command: Command, screen: &mut dyn Screen) -> Result<ControlFlow<()>> {
        match command {
            Command::Say(text) => self.say(text, screen)?,
            Command::Help => screen.note(HELP),
            Command::Steer(change) => {
                self.change(change)?;
                screen.note(&self.steering_in_words());
            }
            Command::Compare(text) => self.compare(text, screen)?,
            Command::Probe(change) => self.set_probe(change, screen)?,
            Command::System(change) => {
                if let Some(system) = change {
                    self.system = system;
                }
                screen.note(&match &self.system {
                    Some(text) => format!("system prompt: {text}"),
                    None => "system prompt: the model's own".into(),
                });
            }
            Command::Regenerate => self.regenerate(screen)?,
            Command::Reset => {
                self.turns.clear();
                self.rows.clear();
                screen.note("the conversation begins anew");
            }
            Command::Save(path) => {
                save(&self.rows, &path)?;
                screen.note(&format!("{} answers: {}", self.rows.len(), path.display()));
            }
            Command::Quit => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    // ------------------------------------------------------------------------------------------------------- steering

    fn change(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Tell => {}
            Change::Off(None) => self.active.clear(),
            Change::Off(Some(name)) => {
                self.vectors.get(&name)?;
                self.active.retain(|wish| wish.vector != name);
            }
            Change::By(step) => {
                if self.active.is_empty() {
                    return Err(Error::usage("nothing is steered yet").hint("begin with /steer evil=1@20"));
                }
                self.active.iter_mut().for_each(|wish| wish.coef += step);
            }
            Change::Set(all) => {
                let before = self.active.clone();
                for (name, coef, layers) in all {
                    if let Err(e) = self.steer(&name, coef, layers) {
                        self.active = before;
                        return Err(e);
                    }
                }
            }
        }
        Ok(())
    }

    /// Steers with a vector from now on, at the layers where it acts already if none are named.
    ///
    /// # Errors
    /// A vector or layer that does not exist, no layer at all.
    pub fn steer(&mut self, name: &str, coef: f32, layers: Option<Layers>) -> Result<()> {
        self.vectors.get(name)?;
        let old = self.active.iter().position(|wish| wish.vector == name);
        let layers = layers.or_else(|| old.map(|i| self.active[i].layers.clone())).ok_or_else(|| {
            Error::usage(format!("at which layer is `{name}` to act?")).hint(format!("write {name}={coef}@LAYER"))
        })?;
        let wish = SteeringRequest { vector: name.to_owned(), op: Op::Add, coef, layers, positions: self.positions };
        self.vectors.settle(&wish)?;
        match old {
            Some(i) => self.active[i] = wish,
            None => self.active.push(wish),
        }
        Ok(())
    }

    fn settings(&self) -> Result<Vec<ActiveSteering>> {
        self.active.iter().map(|wish| self.vectors.settle(wish)).collect()
    }

    /// What is active, a line for each vector.
    pub fn steering_in_words(&self) -> String {
        let line = |wish: &SteeringRequest| {
            let setting = self.vectors.settle(wish).ok()?;
            let norm = setting.norm();
            let shift = norm * f64::from(wish.coef.abs());
            Some(format!("steering: {}, norm {norm:.4}, shift {shift:.4}", in_words(wish, &setting)))
        };
        let lines: Vec<String> = self.active.iter().filter_map(line).collect();
        if lines.is_empty() { "steering: none".into() } else { lines.join("\n") }
    }

    // -------------------------------------------------------------------------------------------------------- answers

    fn say(&mut self, text: String, screen: &mut dyn Screen) -> Result<()> {
        self.turns.push(Message::user(text));
        let answered = self.reply(screen);
        if answered.is_err() {
            self.turns.pop();
        }
        answered
    }

    /// The last answer anew.
    fn regenerate(&mut self, screen: &mut dyn Screen) -> Result<()> {
        if self.rows.is_empty() {
            return Err(Error::usage("there is no answer yet that could be given anew"));
        }
        let (answer, row) = (self.turns.pop(), self.rows.pop());
        let answered = self.reply(screen);
        if answered.is_err() {
            self.turns.extend(answer);
            self.rows.extend(row);
        }
        answered
    }

    /// Answers what the user said last, and keeps the answer.
    fn reply(&mut self, screen: &mut dyn Screen) -> Result<()> {
        let settings = self.settings()?;
        let row = self.answer(&self.turns.clone(), &[(None, settings)], screen)?.remove(0);
        self.turns.extend(row.messages.last().cloned());
        self.rows.push(row);
        Ok(())
    }

    /// The same turn without and with steering, from the same random numbers.
    fn compare(&mut self, text: String, screen: &mut dyn Screen) -> Result<()> {
        let settings = self.settings()?;
        if settings.is_empty() {
            return Err(
                Error::usage("nothing is steered, so there is nothing to compare").hint("first: /steer evil=1@20")
            );
        }
        let turns: Vec<Message> = self.turns.iter().cloned().chain([Message::user(text)]).collect();
        let sides = [(Some("without steering"), Vec::new()), (Some("with steering"), settings)];
        self.answer(&turns, &sides, screen).map(drop)
    }

    /// Answers a conversation under each of some settings, in one batch: the first is shown as it grows, the others after it.
    fn answer(
        &mut self,
        turns: &[Message],
        sides: &[(Option<&str>, Vec<ActiveSteering>)],
        screen: &mut dyn Screen,
    ) -> Result<Vec<Row>> {
        let messages: Vec<Message> = self.system.iter().map(Message::system).chain(turns.iter().cloned()).collect();
        self.asked += 1;
        let turn = |(_, steering): &(_, Vec<ActiveSteering>)| {
            let (id, prompt) = (format!("turn {}", self.asked), Prompt::Chat(messages.clone()));
            Turn { id, prompt, steering: steering.clone() }
        };
        let turns: Vec<Turn> = sides.iter().map(turn).collect();
        let scale = self.scale();
        let scale = scale.as_ref();
        let keep =
            CaptureSpec { probes: self.probe.iter().map(|p| p.direction.clone()).collect(), ..CaptureSpec::default() };
        let (mut heard, mut stopped) = (vec![Shades::default(); sides.len()], false);
        let began = Instant::now();
        screen.begin(sides[0].0, scale);
        let answers = self.live.answer(&turns, &self.sampling, &keep, &mut |event| {
            if let StreamEvent::Token { ask, token, .. } = event {
                let piece = heard[ask].hear(&self.tokenizer, token.id, token.along.first().copied(), scale);
                if ask == 0 {
                    screen.word(&piece.0, piece.1);
                }
            }
            stopped |= screen.stop();
            if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let rests: Vec<String> = heard.iter_mut().map(Shades::finish).collect();
        screen.word(&rests[0], None);
        screen.end();
        let (answers, seconds) = (answers?, began.elapsed().as_secs_f64());
        let mut rows = Vec::new();
        for (i, ((title, settings), answer)) in sides.iter().zip(answers).enumerate() {
            if i > 0 {
                screen.begin(*title, scale);
                heard[i].said.iter().for_each(|(text, shade)| screen.word(text, *shade));
                screen.end();
            }
            let row = self.row(&messages, settings, answer, heard[i].mean());
            screen.note(&self.last_line(&row, settings, seconds));
            rows.push(row);
        }
        Ok(rows)
    }

    fn row(&self, messages: &[Message], settings: &[ActiveSteering], answer: Answer, mean: Option<f64>) -> Row {
        let Answer { text, finish_reason, token_ids, steered, .. } = answer;
        let probe = self.probe.as_ref().zip(mean).map(|(probe, mean)| {
            let (Place { vector, layer }, neutral) = (probe.place.clone(), probe.scale.neutral);
            Probed { vector, layer, mean, neutral }
        });
        Row {
            messages: messages.iter().cloned().chain([Message::assistant(text)]).collect(),
            finish_reason,
            tokens: token_ids.len(),
            sampling: self.sampling.clone(),
            steering: settings.iter().zip(steered).map(|(setting, n)| setting.applied(n)).collect(),
            probe,
        }
    }

    /// What stands below an answer.
    fn last_line(&self, row: &Row, settings: &[ActiveSteering], seconds: f64) -> String {
        let mut parts = vec![format!("{} tokens, {:.1} tokens/s", row.tokens, row.tokens as f64 / seconds)];
        match row.finish_reason {
            FinishReason::Stop => {}
            FinishReason::Length => parts.push("cut off at the limit of tokens".into()),
            FinishReason::Cancelled => parts.push("stopped".into()),
        }
        for ((wish, setting), applied) in self.active.iter().zip(settings).zip(&row.steering) {
            parts.push(format!("{}, {} positions", in_words(wish, setting), applied["positions_steered"]));
        }
        if let Some((probe, Probed { mean, neutral, .. })) = self.probe.as_ref().zip(row.probe.as_ref()) {
            let (Place { vector, layer }, norms) = (&probe.place, probe.scale.norms(*mean));
            let probed =
                format!("{vector}@{layer}: mean {mean:.3}, neutral {neutral:.3}, that is {norms:+.2} vectors away");
            return format!("{}\n{probed}", parts.join(" · "));
        }
        parts.join(" · ")
    }

    // --------------------------------------------------------------------------------------------------------- probes

    fn set_probe(&mut self, change: Option<Option<Place>>, screen: &mut dyn Screen) -> Result<()> {
        match change {
            None => {}
            Some(None) => self.probe = None,
            Some(Some(place)) => self.probe = Some(self.probe(place)?),
        }
        screen.note(&match &self.probe {
            Some(Probe { scale: Scale { name, neutral, norm, .. }, .. }) => {
                format!("probe: {name}; neutral is {neutral:.3}, the vector's norm {norm:.4}")
            }
            None => "probe: none".into(),
        });
        Ok(())
    }

    /// A probe with its scale: neutral is the mean of an unsteered answer to [`NEUTRAL`].
    fn probe(&mut self, place: Place) -> Result<Probe> {
        let file = self.vectors.get(&place.vector)?;
        let layer = Layer::of(place.layer, self.vectors.layers())?;
        let norm = f64::from(file.response_avg.norm(layer));
        if norm == 0.0 {
            return Err(Error::usage(format!("`{}` is zero at {layer}: there is no direction", place.vector)));
        }
        let direction = Direction { layer, vector: file.response_avg.row(layer).to_vec() };
        let prompt = Prompt::Chat(vec![Message::user(NEUTRAL.0)]);
        let turn = Turn { id: "neutral".into(), prompt, steering: Vec::new() };
        let keep = CaptureSpec { probes: vec![direction.clone()], ..CaptureSpec::default() };
        let mut shades = Shades::default();
        self.live.answer(&[turn], &Sampling::greedy(NEUTRAL.1), &keep, &mut |heard| {
            if let StreamEvent::Token { token, .. } = heard {
                shades.hear(&self.tokenizer, token.id, token.along.first().copied(), None);
            }
            ControlFlow::Continue(())
        })?;
        let neutral = shades.mean().ok_or_else(|| Error::new("the model answers nothing that could be measured"))?;
        let name = format!("{} at {layer}", place.vector);
        Ok(Probe { place, direction, scale: Scale { name, neutral, norm, reach: 1.0 } })
    }

    /// The probe's scale, wide enough for what the same vector's steering does to it.
    fn scale(&self) -> Option<Scale> {
        let Probe { place, scale, .. } = self.probe.as_ref()?;
        let own = self.active.iter().filter(|wish| wish.vector == place.vector);
        Some(Scale { reach: 1.0 + own.map(|wish| f64::from(wish.coef.abs())).sum::<f64>(), ..scale.clone() })
    }
}

/// An answer's pieces with their shades, and the sum of what was measured.
#[derive(Debug, Clone, Default)]
struct Shades {
    words: Words,
    said: Vec<(String, Option<f64>)>,
    sum: f64,
    count: usize,
}

impl Shades {
    fn hear(
        &mut self,
        tokenizer: &Tokenizer,
        id: u32,
        along: Option<f32>,
        scale: Option<&Scale>,
    ) -> (String, Option<f64>) {
        if let Some(along) = along {
            self.sum += f64::from(along);
            self.count += 1;
        }
        let shade = along.zip(scale).map(|(along, scale)| scale.shade(f64::from(along)));
        let piece = (self.words.push(tokenizer, id), shade);
        self.said.push(piece.clone());
        piece
    }

    /// What is left when no token comes any more.
    fn finish(&mut self) -> String {
        let rest = self.words.finish();
        self.said.push((rest.clone(), None));
        rest
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// A vector, its strength, its layers and its file's hash.
fn in_words(wish: &SteeringRequest, setting: &ActiveSteering) -> String {
    let layers: Vec<Layer> = setting.layers().collect();
    let place = match &layers[..] {
        [one] => one.to_string(),
        some => format!("{} layers ({} to {})", some.len(), some[0], some[some.len() - 1]),
    };
    let positions = serde_json::to_value(wish.positions).unwrap_or_default();
    let positions = positions.as_str().unwrap_or_default();
    format!("{} {:+} at {place}, {positions} tokens, {:.12}", wish.vector, wish.coef, setting.fingerprint())
}

fn save(rows: &[Row], path: &Path) -> Result<()> {
    write_atomic_with(path, |w| {
        for row in rows {
            serde_json::to_writer(&mut *w, row)?;
            w.write_all(b"\n")?;
        }
        Ok(())
    })
}
