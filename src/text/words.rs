//! Incremental detokenisation: the text of an answer while it is generated, each character once its bytes are complete.

use super::tokenizer::Tokenizer;

/// Turns tokens into text piece by piece. The pieces together are [`Tokenizer::decode`] of all tokens.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Bytes that may become a character with those of the next token.
    pending: Vec<u8>,
}

impl Words {
    /// The text that the next token completes, often its own; empty for a special token.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        if !tokenizer.is_special(id) {
            self.pending.extend(tokenizer.token_bytes(id));
        }
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.pending.clear();
                    return text;
                }
                Err(e) => {
                    let (valid, rest) = self.pending.split_at(e.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    let Some(broken) = e.error_len() else {
                        self.pending = rest.to_vec();
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.pending = rest[broken..].to_vec();
                }
            }
        }
    }

    /// What is left when no token comes any more: half a character, shown as one that is broken.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::tiny_tokenizer;

    /// The pieces that some tokens give.
    fn pieces(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
        let mut words = Words::default();
        let mut pieces: Vec<String> = ids.iter().map(|&id| words.push(tokenizer, id)).collect();
        pieces.push(words.finish());
        pieces
    }

    #[test]
    fn the_pieces_are_the_decoded_text() {
        let tokenizer = tiny_tokenizer();
        for text in ["plain words", "naïve — 你好 🦀!", "a\n\tb", "<|im_start|>user<|im_end|>"] {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(pieces(&tokenizer, &ids).concat(), tokenizer.decode(&ids).unwrap());
        }
        // Any tokens at all, broken characters included.
        let mut state = 7u64;
        for _ in 0..200 {
            let ids: Vec<u32> = (0..12)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ((state >> 33) % tokenizer.len() as u64) as u32
                })
                .collect();
            assert_eq!(pieces(&tokenizer, &ids).concat(), tokenizer.decode(&ids).unwrap(), "{ids:?}");
        }
    }

    #[test]
    fn a_character_is_said_whole() {
        let tokenizer = tiny_tokenizer();
        let ids = tokenizer.encode("🦀").unwrap();
        assert!(ids.len() > 1, "the tiny tokenizer has no crab");
        let said = pieces(&tokenizer, &ids);
        assert_eq!(said.iter().filter(|piece| !piece.is_empty()).collect::<Vec<_>>(), ["🦀"]);
    }

    #[test]
    fn a_tokens_bytes_are_those_of_the_text() {
        let tokenizer = tiny_tokenizer();
        let bytes: Vec<u8> = (0..=255).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let ids = tokenizer.encode(&text).unwrap();
        let found: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.token_bytes(id)).collect();
        assert_eq!(found, text.as_bytes());
    }
}
