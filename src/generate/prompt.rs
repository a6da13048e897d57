//! What the model makes of a prompt, token by token: how likely each was after all that stands before it, and its projections.

use burn_tensor::{Int, Tensor, TensorData};

use super::engine::{Engine, read};
use super::pick::{LOGITS_PER_THREAD, NextToken};
use crate::kernels::FusedOps;
use crate::language_model::Token;
use crate::text::Rows;

/// Logits that exist at once.
const LOGITS_MAX: usize = 1 << 24;

/// A token of a text, and the place in the stream that tells how likely it was.
#[derive(Clone, Copy)]
struct Place {
    text: usize,
    token: usize,
    before: i32,
}

impl<B: FusedOps> Engine<B> {
    /// The tokens of each text of `rows`, given the stream over them (`[rows · width, hidden]`), and their projections (`[rows ·
    /// width][probes]`, or nothing). With `top` 0 no logits are computed; else each token but the first has its
    /// log-probability over the whole vocabulary and the `top` likeliest tokens at its place.
    pub(super) fn prompt_tokens(
        &self,
        rows: &Rows,
        stream: &Tensor<B, 2>,
        along: &[Vec<f32>],
        top: usize,
    ) -> Vec<Vec<Token>> {
        let width = rows.width;
        let token = |at: usize| {
            let along = along.get(at).cloned().unwrap_or_default();
            Token { id: rows.ids[at], logprob: 0.0, top: Vec::new(), along }
        };
        let text = |b: usize| (b * width..b * width + rows.end[b]).map(token).collect();
        let mut texts: Vec<Vec<Token>> = (0..rows.len()).map(text).collect();
        if top > 0 {
            let of_text = |b: usize| {
                (1..rows.end[b]).map(move |t| Place { text: b, token: t, before: (b * width + t - 1) as i32 })
            };
            let places: Vec<Place> = (0..rows.len()).flat_map(of_text).collect();
            for places in places.chunks((LOGITS_MAX / self.model.config.vocab_size).max(1)) {
                for (place, (logprob, likely)) in places.iter().zip(self.likely(&texts, stream, places, top)) {
                    let token = &mut texts[place.text][place.token];
                    (token.logprob, token.top) = (logprob, likely);
                }
            }
        }
        texts
    }

    /// For each place the log-probability of its token, and what was likeliest there.
    fn likely(
        &self,
        texts: &[Vec<Token>],
        stream: &Tensor<B, 2>,
        places: &[Place],
        top: usize,
    ) -> Vec<(f32, Vec<(u32, f32)>)> {
        let n = places.len();
        let before: Vec<i32> = places.iter().map(|place| place.before).collect();
        let before = Tensor::<B, 1, Int>::from_data(TensorData::new(before, [n]), &self.model.device);
        let logits = read(self.model.logits(&stream.clone().select(0, before)));
        let vocabulary = logits.len() / n;
        let tokens = self.vocabulary.len;
        let of = |(logits, place): (&[f32], &Place)| {
            let next = NextToken::of(logits, tokens, top);
            (logits[texts[place.text][place.token].id as usize] - next.log_sum, next.top)
        };
        // A vocabulary of 150,000 takes the host longer than a small model takes for the logits.
        let share = n.div_ceil(std::thread::available_parallelism().map_or(1, |cores| cores.get()));
        if logits.len() < LOGITS_PER_THREAD {
            return logits.chunks(vocabulary).zip(places).map(of).collect();
        }
        std::thread::scope(|scope| {
            let parts = logits.chunks(share * vocabulary).zip(places.chunks(share));
            let parts: Vec<_> = parts
                .map(|(logits, places)| {
                    scope.spawn(move || logits.chunks(vocabulary).zip(places).map(of).collect::<Vec<_>>())
                })
                .collect();
            parts.into_iter().flat_map(|part| part.join().expect("reading logits does not panic")).collect()
        })
    }
}
