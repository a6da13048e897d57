//! One answer in the making: its tokens as text up to the client's stop texts, with log-probabilities.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::language_model::Token;
use crate::text::{Tokenizer, Words};

/// A token's log-probability in OpenAI's form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Logprob {
    token: String,
    /// None for a prompt's first token: nothing stands before it.
    logprob: Option<f32>,
    bytes: Vec<u8>,
}

/// A token of the answer, with what else was likely at its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChosenLogprob {
    #[serde(flatten)]
    chosen: Logprob,
    top_logprobs: Vec<Logprob>,
}

impl Logprob {
    /// How text completions name a token: its text, or its bytes if they are no whole characters.
    fn name(&self) -> String {
        let bytes = || self.bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        std::str::from_utf8(&self.bytes).map_or_else(|_| format!("bytes:{}", bytes()), str::to_owned)
    }
}

/// Writes log-probabilities in the form of text completions: four lists side by side.
#[derive(Debug, Clone, Copy)]
pub struct TextLogprobs {
    /// Characters of prompt and answer so far.
    characters: usize,
}

impl TextLogprobs {
    pub fn after(characters: usize) -> Self {
        Self { characters }
    }

    /// The next tokens, each with the likeliest at its place and itself among them.
    pub fn json(&mut self, tokens: &[ChosenLogprob]) -> Value {
        let continues = |byte: &u8| byte & 0xc0 == 0x80;
        let mut lists = [const { Vec::new() }; 4];
        for ChosenLogprob { chosen, top_logprobs } in tokens {
            // A token that goes on with a character stands where that character does.
            let begun = chosen.bytes.first().is_some_and(continues);
            let likely = top_logprobs.iter().chain([chosen]).map(|token| (token.name(), json!(token.logprob)));
            let likely: Map<String, Value> = likely.collect();
            let place = [
                chosen.name().into(),
                json!(chosen.logprob),
                if chosen.logprob.is_some() { likely.into() } else { Value::Null },
                self.characters.saturating_sub(usize::from(begun)).into(),
            ];
            lists.iter_mut().zip(place).for_each(|(list, value): (&mut Vec<Value>, Value)| list.push(value));
            self.characters += chosen.bytes.iter().filter(|byte| !continues(byte)).count();
        }
        let [tokens, token_logprobs, top_logprobs, text_offset] = lists;
        json!({ "tokens": tokens, "token_logprobs": token_logprobs, "top_logprobs": top_logprobs, "text_offset": text_offset })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Projected {
    /// Its text, with marks for bytes that are no whole character.
    pub token: String,
    pub bytes: Vec<u8>,
    /// Onto each probe, in their order; none for a token that ended the answer, since the model never read it.
    pub projections: Vec<f32>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Delta {
    /// Text that no stop text can take back.
    pub text: String,
    /// The token itself, if log-probabilities are wanted.
    pub logprobs: Vec<ChosenLogprob>,
    /// The token with its projections, if they are wanted.
    pub projected: Vec<Projected>,
    /// The prompt's tokens with theirs, before the answer's first.
    pub prompt: Vec<Projected>,
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.logprobs.is_empty() && self.projected.is_empty()
    }
}

#[derive(Debug)]
pub struct Choice {
    words: Words,
    stop: Vec<String>,
    /// Text that may be the beginning of a stop text.
    held: String,
    top: Option<usize>,
    pub tokens: usize,
    /// It has ended: with the end-of-sequence token, or with a stop text.
    pub stopped: bool,
}

impl Choice {
    /// An answer that ends at any of the texts `stop` (which it does not hold), with `top` likeliest tokens for each of its
    /// own if log-probabilities are wanted.
    pub fn new(stop: Vec<String>, top: Option<usize>) -> Self {
        Self { words: Words::default(), stop, held: String::new(), top, tokens: 0, stopped: false }
    }

    pub fn push(&mut self, tokenizer: &Tokenizer, token: &Token) -> Delta {
        assert!(!self.stopped, "an answer that stopped takes no more");
        self.tokens += 1;
        if tokenizer.eos_ids().contains(&token.id) {
            self.stopped = true;
            return Delta { text: self.finish(), ..Delta::default() };
        }
        self.held += &self.words.push(tokenizer, token.id);
        let logprobs = self.top.map(|top| chosen(tokenizer, token, top)).into_iter().collect();
        let projected = (!token.along.is_empty()).then(|| projected(tokenizer, token)).into_iter().collect();
        Delta { text: self.release(), logprobs, projected, ..Delta::default() }
    }

    pub fn prompt(&self, tokenizer: &Tokenizer, tokens: &[Token]) -> Delta {
        let mut logprobs: Vec<ChosenLogprob> =
            self.top.map(|top| tokens.iter().map(|token| chosen(tokenizer, token, top)).collect()).unwrap_or_default();
        if let Some(first) = logprobs.first_mut() {
            first.chosen.logprob = None;
        }
        let prompt = tokens.iter().filter(|token| !token.along.is_empty()).map(|token| projected(tokenizer, token));
        Delta { logprobs, prompt: prompt.collect(), ..Delta::default() }
    }

    /// What is still held when no token comes any more.
    pub fn finish(&mut self) -> String {
        self.held += &self.words.finish();
        let text = self.release();
        text + &std::mem::take(&mut self.held)
    }

    /// The text that no stop can take back; the answer is over if a stop has come.
    fn release(&mut self) -> String {
        if let Some(at) = self.stop.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.stopped = true;
            let text = self.held[..at].to_owned();
            (self.held, self.words) = (String::new(), Words::default());
            return text;
        }
        let begun = |from: &usize| self.stop.iter().any(|stop| stop.starts_with(&self.held[*from..]));
        let sure = self.held.char_indices().map(|(at, _)| at).find(begun).unwrap_or(self.held.len());
        let rest = self.held.split_off(sure);
        std::mem::replace(&mut self.held, rest)
    }
}

fn projected(tokenizer: &Tokenizer, token: &Token) -> Projected {
    let bytes = tokenizer.token_bytes(token.id);
    Projected { token: String::from_utf8_lossy(&bytes).into_owned(), bytes, projections: token.along.clone() }
}

fn chosen(tokenizer: &Tokenizer, token: &Token, top: usize) -> ChosenLogprob {
    let likely = token.top.iter().take(top).map(|&(id, logprob)| named(tokenizer, id, logprob));
    ChosenLogprob { chosen: named(tokenizer, token.id, token.logprob), top_logprobs: likely.collect() }
}

fn named(tokenizer: &Tokenizer, id: u32, logprob: f32) -> Logprob {
    let bytes = tokenizer.token_bytes(id);
    // JSON has no infinity; OpenAI's servers write this number for what cannot be.
    Logprob { token: String::from_utf8_lossy(&bytes).into_owned(), logprob: Some(logprob.max(-9999.0)), bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::tiny_tokenizer;

    fn token(id: u32) -> Token {
        Token { id, logprob: -0.5, top: vec![(id, -0.5), (7, f32::NEG_INFINITY)], along: Vec::new() }
    }

    /// The pieces of an answer that the model ends after `text`.
    fn deltas(text: &str, stop: &[&str]) -> (Vec<String>, bool) {
        let tokenizer = tiny_tokenizer();
        let mut choice = Choice::new(stop.iter().map(|s| (*s).to_owned()).collect(), None);
        let mut deltas = Vec::new();
        for id in tokenizer.encode(text).unwrap() {
            if !choice.stopped {
                deltas.push(choice.push(&tokenizer, &token(id)).text);
            }
        }
        let stopped = choice.stopped;
        if !stopped {
            deltas.push(choice.push(&tokenizer, &token(tokenizer.eos_ids()[0])).text);
            assert!(choice.stopped);
        }
        (deltas, stopped)
    }

    #[track_caller]
    fn check(text: &str, stop: &[&str], want: &str) {
        let (deltas, stopped) = deltas(text, stop);
        assert_eq!((deltas.concat().as_str(), stopped), (want, want != text));
    }

    #[test]
    fn an_answer_ends_before_the_first_stop() {
        check("one, two, three", &[], "one, two, three");
        check("one, two, three", &[" three", ", t"], "one");
        check("one, two, three", &["four"], "one, two, three");
        check("one, two, thr", &["three"], "one, two, thr");
        check("aaab", &["aab"], "a");
        check("crab 🦀 and 🦀🦀", &["🦀🦀"], "crab 🦀 and ");
        check("stop", &["stop"], "");
    }

    #[test]
    fn a_cut_character_shows_unless_a_stop_came_first() {
        let tokenizer = tiny_tokenizer();
        let (letter, half) = (tokenizer.encode("a").unwrap()[0], tokenizer.encode("🦀").unwrap()[0]);
        for (stop, want) in [(Vec::new(), "a\u{fffd}"), (vec!["a".to_owned()], "")] {
            let mut choice = Choice::new(stop, None);
            let mut said = choice.push(&tokenizer, &token(letter)).text;
            if !choice.stopped {
                said += &choice.push(&tokenizer, &token(half)).text;
            }
            assert_eq!(said + &choice.finish(), want);
        }
    }

    #[test]
    fn nothing_is_said_that_a_stop_takes_back() {
        let (said, _) = deltas("one, two, three", &["two, four"]);
        assert!(said.len() > 4 && said.iter().all(|delta| "one, two, three".contains(delta.as_str())));
        assert_eq!(said.concat(), "one, two, three");
    }

    #[test]
    fn text_completions_list_tokens_with_their_places() {
        let tokenizer = tiny_tokenizer();
        let ids = tokenizer.encode("a 🦀b").unwrap();
        let choice = Choice::new(Vec::new(), Some(2));
        let tokens: Vec<Token> = ids.iter().map(|&id| token(id)).collect();
        let delta = choice.prompt(&tokenizer, &tokens);
        let json = TextLogprobs::after(10).json(&delta.logprobs);
        let list = |name: &str| json[name].as_array().unwrap().clone();
        assert!(["tokens", "token_logprobs", "top_logprobs", "text_offset"].iter().all(|n| list(n).len() == ids.len()));
        assert_eq!((&json["tokens"][0], &json["text_offset"][0]), (&"a".into(), &10.into()));
        assert_eq!((&json["token_logprobs"][0], &json["top_logprobs"][0]), (&Value::Null, &Value::Null));
        assert_eq!(json["token_logprobs"][1], -0.5);
        let last = ids.len() - 1;
        assert_eq!((&json["tokens"][last], &json["text_offset"][last]), (&"b".into(), &13.into()));
        assert_eq!(json["top_logprobs"][last]["b"], -0.5);
        // Tokens within the crab stand where it does, and are named by their bytes.
        assert_eq!(json["text_offset"][last - 1], 12);
        assert!(json["tokens"][last - 1].as_str().unwrap().starts_with("bytes:\\x"), "{json}");
    }

    #[test]
    fn log_probabilities_have_openais_form() {
        let tokenizer = tiny_tokenizer();
        let id = tokenizer.encode("a").unwrap()[0];
        let mut choice = Choice::new(Vec::new(), Some(2));
        let delta = choice.push(&tokenizer, &token(id));
        let json = serde_json::to_value(&delta.logprobs[0]).unwrap();
        assert_eq!((&json["token"], &json["bytes"][0], &json["logprob"]), (&"a".into(), &97.into(), &(-0.5).into()));
        assert_eq!(json["top_logprobs"].as_array().unwrap().len(), 2);
        assert_eq!(json["top_logprobs"][1]["logprob"], -9999.0);
    }
}
