//! Which passages of an answer lie along the vector: the projection piece by piece.
//!
//! States do not depend on what follows them, so the mean over a piece is the difference of the means over two beginnings:
//! `(n·mean(1..n) − m·mean(1..m)) / (n − m)`. A text costs as many passes as it has pieces, which is why only those on the page
//! are looked at so closely.

use serde::{Deserialize, Serialize};

use super::measure::Ready;
use crate::language_model::{Finished, LanguageModel};
use crate::persona::project::{Probe, projections};
use crate::{Result, ensure};

/// Pieces of a text, at most.
const PIECES: usize = 16;
/// Tokens of a piece, at least.
const TOKENS: usize = 4;

/// A piece of an answer and the projection of its mean state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub text: String,
    pub projection: f64,
}

/// The answer in pieces that end where a word does.
///
/// # Errors
/// Those of the model.
pub(super) fn pieces(model: &mut dyn LanguageModel, ready: &Ready, probe: &Probe) -> Result<Vec<Piece>> {
    let answer = ready.exchange.answer.as_str();
    let tokens = model.tokenizer().encode_with_bytes(answer)?;
    ensure!(tokens.len() == ready.text.response_ids.len(), "an answer has two lengths");
    let ends = cuts(answer, &tokens.iter().map(|(_, bytes)| bytes.start).collect::<Vec<_>>());
    let begun = |&n: &usize| Finished {
        prompt_ids: ready.text.prompt_ids.clone(),
        response_ids: ready.text.response_ids[..n].to_vec(),
    };
    let texts: Vec<Finished> = ends.iter().map(begun).collect();
    let means = projections(model, &texts, std::slice::from_ref(probe), PIECES, &mut |_| {})?;
    let (mut pieces, mut from, mut sum) = (Vec::new(), 0, 0.0);
    for (&to, mean) in ends.iter().zip(means) {
        let whole = mean[0] * to as f64;
        let byte = |token: usize| tokens.get(token).map_or(answer.len(), |(_, bytes)| bytes.start);
        pieces.push(Piece {
            text: answer[byte(from)..byte(to)].to_owned(),
            projection: (whole - sum) / (to - from) as f64,
        });
        (from, sum) = (to, whole);
    }
    Ok(pieces)
}

/// After how many tokens the pieces end. `starts` is the byte at which each token begins.
fn cuts(text: &str, starts: &[usize]) -> Vec<usize> {
    let step = starts.len().div_ceil(PIECES).max(TOKENS);
    let begins_word = |&t: &usize| {
        let at = starts[t];
        text.is_char_boundary(at) && text[at..].starts_with(char::is_whitespace)
    };
    let mut ends = Vec::new();
    let mut from = 0;
    while from + step < starts.len() {
        let Some(end) = (from + step..starts.len()).find(begins_word) else { break };
        ends.push(end);
        from = end;
    }
    ends.push(starts.len());
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::EchoModel;
    use crate::persona::{Exchange, Metric};
    use crate::text::Message;
    use crate::vector::math::projection;

    #[test]
    fn pieces_make_up_the_answer_and_their_projections_its_own() {
        let mut model = EchoModel::new(|_, _| String::new());
        let answer = "One two three four five six seven eight nine ten, eleven — zwölf ðirteen. ".repeat(3);
        let tokenizer = crate::fakes::tiny_tokenizer();
        let exchange = Exchange { prompt: vec![Message::user("Count.")], answer: answer.clone() };
        let text = Finished { prompt_ids: vec![3, 4], response_ids: tokenizer.encode(&answer).unwrap() };
        let probe = Probe::made_up(Metric::Proj, 2);
        let found = pieces(&mut model, &Ready { exchange, text: text.clone() }, &probe).unwrap();
        assert!((3..=PIECES).contains(&found.len()), "{}", found.len());
        assert_eq!(found.iter().map(|p| p.text.as_str()).collect::<String>(), answer);
        assert!(found[1..].iter().all(|p| p.text.starts_with(' ')), "{found:?}");
        // Against the states themselves.
        let mut at = 0;
        let of = |id: u32| projection(&(0..5).map(|d| EchoModel::state(id, 2, d)).collect::<Vec<_>>(), &probe.vector);
        let starts: Vec<usize> = tokenizer.encode_with_bytes(&answer).unwrap().iter().map(|t| t.1.start).collect();
        for (piece, end) in found.iter().zip(cuts(&answer, &starts)) {
            let ids = &text.response_ids[at..end];
            let direct = ids.iter().map(|&id| of(id)).sum::<f64>() / ids.len() as f64;
            assert!((piece.projection - direct).abs() < 1e-5, "{piece:?}: {direct}");
            at = end;
        }
    }
}
