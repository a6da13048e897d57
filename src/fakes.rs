//! Small stand-ins for a model and a judge, for unit tests of the code that asks them.

use std::ops::ControlFlow;
use std::path::Path;

use crate::judge::{Judge, JudgedItem, Rubric, Verdict};
use crate::language_model::{
    Answer, CaptureSpec, Direction, FinishReason, Finished, LanguageModel, Likelihood, Prompt, Request, Residuals,
    Sampling, StreamEvent, Token,
};
use crate::runtime::{EstimateSpec, FitOutcome, FitSpec, ModelSpec, Runtime};
use crate::text::Tokenizer;
use crate::train::{Event, FitEstimate};
use crate::{Error, Result};

/// The tokenizer of the tiny model that the goldens were made with.
pub(crate) fn tiny_tokenizer() -> Tokenizer {
    Tokenizer::load(Path::new("tests/fixtures/tiny")).unwrap()
}

type Says = Box<dyn FnMut(&Request, usize) -> String>;
type Likes = Box<dyn FnMut(&Request, u32) -> f32>;

/// Answers by a closure; its residual stream is a known function of the tokens, [`EchoModel::state`].
pub(crate) struct EchoModel {
    tokenizer: Tokenizer,
    says: Says,
    /// The log-probability of an option, for `choose`.
    pub likes: Likes,
    /// How many texts came with each call of `residuals`.
    pub chunks: Vec<usize>,
    /// How many asks came with each call of `generate` and `choose`.
    pub batches: Vec<usize>,
}

impl EchoModel {
    pub const LAYERS: usize = 3;
    pub const HIDDEN: usize = 5;

    pub fn new(says: impl FnMut(&Request, usize) -> String + 'static) -> Self {
        let likes = Box::new(|_: &Request, _: u32| 0.0);
        Self { tokenizer: tiny_tokenizer(), says: Box::new(says), likes, chunks: Vec::new(), batches: Vec::new() }
    }

    /// The state of token `id` at `layer` (0 = embedding) in dimension `d`; nothing linear, so that wrong means show.
    pub fn state(id: u32, layer: usize, d: usize) -> f32 {
        let x = f64::from(id) * 0.37 + layer as f64 * 1.3 + d as f64 * 0.71;
        (x.sin() * (1.0 + layer as f64)) as f32
    }

    fn residuals_of(text: &Finished) -> Residuals {
        let mean = |ids: &[u32]| -> Vec<Vec<f32>> {
            let cell = |l, d| ids.iter().map(|&id| Self::state(id, l, d)).sum::<f32>() / ids.len() as f32;
            (0..=Self::LAYERS).map(|l| (0..Self::HIDDEN).map(|d| cell(l, d)).collect()).collect()
        };
        assert!(!text.prompt_ids.is_empty() && !text.response_ids.is_empty());
        Residuals {
            response_avg: mean(&text.response_ids),
            prompt_avg: mean(&text.prompt_ids),
            prompt_last: mean(&text.prompt_ids[text.prompt_ids.len() - 1..]),
        }
    }

    /// A token with the lengths of its state along the probes; it is certain, and nothing else was likely.
    fn token(id: u32, keep: &CaptureSpec) -> Token {
        let along = |probe: &Direction| {
            let norm = probe.vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            let at = probe.vector.iter().enumerate();
            at.map(|(d, x)| x * Self::state(id, probe.layer.row(), d)).sum::<f32>() / norm
        };
        let top = if keep.top_logprobs > 0 { vec![(id, 0.0)] } else { Vec::new() };
        Token { id, logprob: 0.0, top, along: keep.probes.iter().map(along).collect() }
    }

    fn ids(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        match prompt {
            Prompt::Chat(messages) => self.tokenizer.chat_ids(messages, true),
            Prompt::Text(text) => self.tokenizer.encode(text),
            Prompt::Ids(ids) => Ok(ids.clone()),
        }
    }
}

impl LanguageModel for EchoModel {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn shape(&self) -> (usize, usize) {
        (Self::LAYERS, Self::HIDDEN)
    }

    fn answer(
        &mut self,
        requests: &[Request],
        sampling: &Sampling,
        keep: &CaptureSpec,
        on_event: &mut dyn FnMut(StreamEvent<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<Answer>> {
        self.batches.push(requests.len());
        let (mut answers, mut stopped) = (Vec::new(), false);
        for (at, ask) in requests.iter().enumerate() {
            for rollout in 0..sampling.rollouts {
                let text = (self.says)(ask, rollout);
                let mut token_ids = self.tokenizer.encode(&text)?;
                token_ids.push(self.tokenizer.eos_ids()[0]);
                let prompt_ids = self.ids(&ask.prompt)?;
                let finish_reason = if stopped { FinishReason::Cancelled } else { FinishReason::Stop };
                let response_ids = token_ids[..token_ids.len() - 1].to_vec();
                let tokens: Vec<Token> = token_ids.iter().map(|&id| Self::token(id, keep)).collect();
                for token in &tokens {
                    let _ = on_event(StreamEvent::Token { ask: at, rollout, token });
                }
                let finished = Finished { prompt_ids: prompt_ids.clone(), response_ids };
                let residuals =
                    (keep.residuals && !finished.response_ids.is_empty()).then(|| Self::residuals_of(&finished));
                let (id, steered) = (ask.id.clone(), Vec::new());
                answers.push(Answer {
                    id,
                    rollout,
                    prompt_ids,
                    token_ids,
                    text,
                    finish_reason,
                    steered,
                    tokens,
                    residuals,
                });
                stopped = stopped || on_event(StreamEvent::Finished(answers.len())).is_break();
            }
        }
        Ok(answers)
    }

    fn choose(&mut self, requests: &[Request], options: &[Vec<Vec<u32>>]) -> Result<Vec<Vec<f32>>> {
        self.batches.push(requests.len());
        let mut like = |ask: &Request, option: &Vec<u32>| option.iter().map(|&id| (self.likes)(ask, id)).sum();
        Ok(requests
            .iter()
            .zip(options)
            .map(|(ask, all)| all.iter().map(|option| like(ask, option)).collect())
            .collect())
    }

    fn residuals(&mut self, texts: &[Finished]) -> Result<Vec<Residuals>> {
        self.chunks.push(texts.len());
        Ok(texts.iter().map(Self::residuals_of).collect())
    }

    fn likelihoods(&mut self, texts: &[Finished]) -> Result<Vec<Likelihood>> {
        // Every token is certain, and there is no adapter.
        let of = |text: &Finished| vec![0.0; text.response_ids.len()];
        Ok(texts.iter().map(|text| Likelihood { logprobs: of(text), moved: of(text) }).collect())
    }
}

/// A machine whose models answer by a function of the ask and the rollout.
pub(crate) struct EchoLab(pub fn(&Request, usize) -> String);

impl Runtime for EchoLab {
    fn device(&self) -> String {
        "echo".into()
    }

    fn language_model(&self, _: &ModelSpec) -> Result<Box<dyn LanguageModel>> {
        Ok(Box::new(EchoModel::new(self.0)))
    }

    fn logits(&self, _: &ModelSpec, _: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        Err(Error::new("an echo has no logits"))
    }

    fn fit(&self, _: &FitSpec<'_>, _: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<FitOutcome> {
        Err(Error::new("an echo learns nothing"))
    }

    fn estimate(&self, _: &EstimateSpec<'_>) -> Result<FitEstimate> {
        Err(Error::new("an echo plans nothing"))
    }
}

/// Finds the trait (100) where the answer holds its word, refuses to score `REFUSE`, calls everything else coherent; a fact
/// is right if the answer holds the reference.
pub(crate) struct WordJudge(pub &'static str);

impl Judge for WordJudge {
    fn name(&self) -> &str {
        "word"
    }

    fn judge(&mut self, rubric: &Rubric, exhibits: &[JudgedItem]) -> Result<Vec<Verdict>> {
        let score = |exhibit: &JudgedItem| {
            let yes = match rubric {
                Rubric::Trait(_) => exhibit.answer.contains(self.0),
                Rubric::Coherence => true,
                Rubric::Fact => exhibit.reference.as_ref().is_some_and(|r| exhibit.answer.contains(r)),
            };
            (!exhibit.answer.contains("REFUSE")).then_some(if yes { 100.0 } else { 0.0 })
        };
        Ok(exhibits.iter().map(|e| Verdict { score: score(e), why: "by its words".into() }).collect())
    }
}
