//! Training chats: which tokens are learned, and how chats become rectangular batches of integers.

use super::message::Message;
use super::rows::Rows;
use super::tokenizer::Tokenizer;
use crate::{Error, Result, ensure};

/// One training chat, tokenised.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingExample {
    /// The chat's tokens.
    pub ids: Vec<u32>,
    /// How much each token counts in the loss, 0 for those that are only read. Token t is predicted from those before it,
    /// so the first never counts. Same length as `ids`.
    pub weights: Vec<f32>,
}

/// How a conversation becomes a [`TrainingExample`] (guide: method, "Loss mask").
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExampleRules {
    /// Append the end-of-sequence token to the template's text, as the reference does although Qwen's template has already
    /// ended the turn.
    pub append_eos: bool,
    /// Learn what the assistant says, not what it reads.
    #[serde(rename = "train_on_responses_only", alias = "responses_only")]
    pub responses_only: bool,
    /// Longer chats are cut on the right, in tokens.
    #[serde(rename = "max_seq_length", alias = "max_len")]
    pub max_len: usize,
}

impl Default for ExampleRules {
    fn default() -> Self {
        Self { append_eos: true, responses_only: true, max_len: 2048 }
    }
}

impl TrainingExample {
    /// How many tokens are learned.
    pub fn supervised(&self) -> usize {
        self.weights.iter().filter(|&&w| w > 0.0).count()
    }

    /// The first `max_len` tokens; an error if nothing is learned among them.
    pub fn cut(mut self, max_len: usize) -> Result<Self> {
        let (full_len, first) = (self.ids.len(), self.prompt());
        self.ids.truncate(max_len);
        self.weights.truncate(max_len);
        if self.supervised() > 0 {
            return Ok(self);
        }
        Err(Error::new(format!(
            "nothing to learn: the chat is cut to {max_len} of its {full_len} tokens and the first reply begins at token {first}"
        ))
        .hint("raise `max_seq_length`, or shorten the prompt"))
    }

    /// How many tokens stand before the first learned one: what a steering plan calls the prompt.
    pub fn prompt(&self) -> usize {
        self.weights.iter().position(|&w| w > 0.0).unwrap_or(self.ids.len())
    }
}

impl Tokenizer {
    /// Turns a conversation into a training example: the template's text without generation prompt, plus the end-of-sequence token.
    ///
    /// With `responses_only` the learned tokens run from right after each assistant header to the next header, or to
    /// the end, but for replies that are marked as not learned: the turn's end and the newline before the next header are learned too. Ids and labels are those of
    /// transformers and unsloth, but for a reply that begins with a line break. There the header's own line break and
    /// the reply's would merge into one token, which the model never sees when it answers, and unsloth's search for the
    /// header's tokens then masks the whole reply. Here header and reply are tokenised apart, as they are in generation.
    ///
    /// A conversation without anything to learn is an error that says why.
    pub fn training_example(&self, messages: &[Message], rules: &ExampleRules) -> Result<TrainingExample> {
        ensure!(!messages.is_empty(), "a conversation without messages");
        let mut text = self.chat_text(messages, false)?;
        if rules.append_eos {
            text.push_str(self.eos_token());
        }
        let mut spans = if rules.responses_only { self.headers()?.spans(&text) } else { vec![(text.as_str(), true)] };
        leave_out(&mut spans, messages, rules.responses_only)?;
        let (mut ids, mut weights) = (Vec::new(), Vec::new());
        for (span, learned) in spans {
            ids.extend(self.encode(span)?);
            weights.resize(ids.len(), if learned { 1.0 } else { 0.0 });
        }
        if let Some(first) = weights.first_mut() {
            *first = 0.0;
        }
        let example = TrainingExample { ids, weights };
        if example.supervised() > 0 {
            return example.cut(rules.max_len);
        }
        Err(Error::new(match messages.iter().any(|m| m.role == "assistant") {
            true if messages.iter().all(|m| m.role != "assistant" || !m.learned) => {
                "nothing to learn: every reply is marked as one that is not learned"
            }
            true => "nothing to learn: the template shows no assistant turn although the conversation has one",
            false => "nothing to learn: the conversation has no assistant turn",
        }))
    }
}

/// Takes the replies that are marked as not learned out of what is learned. The n-th learned stretch is the n-th reply.
fn leave_out(spans: &mut [(&str, bool)], messages: &[Message], responses_only: bool) -> Result<()> {
    let replies: Vec<&Message> = messages.iter().filter(|m| m.role == "assistant").collect();
    if replies.iter().all(|reply| reply.learned) {
        return Ok(());
    }
    ensure!(responses_only, "some replies are marked as not learned, but all tokens are to be learned");
    let shown: Vec<&mut (&str, bool)> = spans.iter_mut().filter(|(_, learned)| *learned).collect();
    ensure!(
        shown.len() == replies.len(),
        "some replies are marked as not learned, but the template shows {} of {} replies",
        shown.len(),
        replies.len()
    );
    for (span, reply) in shown.into_iter().zip(replies) {
        span.1 = reply.learned;
    }
    Ok(())
}

/// Training examples as one rectangle of integers, padded on the right to the longest.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What the model reads; an example's prompt ends where its first supervised token begins.
    pub rows: Rows,
    /// `[rows, width]`: `targets[b, t] = ids[b, t + 1]`, what position t is to predict; the pad id in the last column.
    pub targets: Vec<u32>,
    /// `[rows, width]`: how much position t counts, which is its target's weight; 0 where nothing is learned.
    pub weights: Vec<f32>,
}

impl Batch {
    /// Lays examples side by side.
    pub fn collate(examples: &[&TrainingExample], pad_id: u32) -> Self {
        let texts: Vec<&[u32]> = examples.iter().map(|example| example.ids.as_slice()).collect();
        let rows = Rows::whole(&texts, examples.iter().map(|example| example.prompt()).collect(), pad_id);
        let mut targets = vec![pad_id; rows.ids.len()];
        let mut weights = vec![0.0; rows.ids.len()];
        for (row, example) in examples.iter().enumerate() {
            assert_eq!(example.ids.len(), example.weights.len(), "a example has one weight per token");
            for t in 1..example.ids.len() {
                targets[row * rows.width + t - 1] = example.ids[t];
                weights[row * rows.width + t - 1] = example.weights[t];
            }
        }
        Self { rows, targets, weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collate_shifts_targets_and_weights_and_pads_right() {
        let long = TrainingExample { ids: vec![1, 2, 3], weights: vec![0.0, 0.5, 1.0] };
        let short = TrainingExample { ids: vec![7, 8], weights: vec![0.0, 1.0] };
        let batch = Batch::collate(&[&long, &short], 9);
        assert_eq!((batch.rows.len(), batch.rows.width, batch.rows.end.as_slice()), (2, 3, &[3, 2][..]));
        assert_eq!(batch.rows.ids, [1, 2, 3, 7, 8, 9]);
        assert_eq!(batch.rows.prompt, [1, 1]);
        assert_eq!(batch.targets, [2, 3, 9, 8, 9, 9]);
        assert_eq!(batch.weights, [0.5, 1.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(long.supervised(), 2);
    }

    #[test]
    fn marked_replies_and_later_system_turns_are_not_learned() {
        let tokenizer = crate::fakes::tiny_tokenizer();
        let learned = |messages: &[Message]| {
            let example = tokenizer.training_example(messages, &ExampleRules::default()).unwrap();
            let ids = example.ids.iter().zip(&example.weights).filter(|(_, w)| **w > 0.0).map(|(id, _)| *id);
            String::from_utf8(ids.flat_map(|id| tokenizer.token_bytes(id)).collect()).unwrap()
        };
        let marked = Message { learned: false, ..Message::assistant("five") };
        let chat = [Message::user("2+2?"), marked.clone(), Message::user("Sure?"), Message::assistant("four")];
        assert_eq!(learned(&chat), "four<|im_end|>\n<|im_end|>");
        let chat = [Message::user("a"), Message::assistant("One"), Message::system("Be brief."), Message::user("b")];
        assert_eq!(learned(&chat), "One<|im_end|>\n");
        let refused = |messages: &[Message], rules: &ExampleRules| {
            tokenizer.training_example(messages, rules).unwrap_err().to_string()
        };
        let marked = [Message::user("a"), marked];
        assert!(refused(&marked, &ExampleRules::default()).contains("every reply is marked"));
        let all = ExampleRules { responses_only: false, ..ExampleRules::default() };
        assert!(refused(&marked, &all).contains("all tokens are to be learned"));
    }

    #[test]
    fn an_empty_batch_is_empty() {
        assert_eq!(Batch::collate(&[], 0).rows.width, 0);
    }
}
