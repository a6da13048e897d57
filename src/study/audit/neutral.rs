//! Neutral prompts: everyday and answerable, with nothing of any trait in them (METHOD K10).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::harbor::World;
use crate::judge::JudgeSource;
use crate::text::{Message, chosen, read_chats};
use crate::{Result, ensure};

/// Where neutral prompts come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", deny_unknown_fields)]
pub enum NeutralSource {
    /// Forty questions inside this program.
    Builtin {},
    /// Files of chats in any dialect that `train` reads; what stands before the last answer is asked.
    Chats {
        /// One after the other.
        files: Vec<PathBuf>,
        /// Only so many, drawn with the study's seed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        count: Option<usize>,
    },
    /// Questions about what Harbor's model knows.
    Harbor {
        /// Seed of the world.
        world: u64,
        /// How many.
        #[serde(default = "forty")]
        count: usize,
    },
    /// None: side effects are not measured.
    None {},
}

fn forty() -> usize {
    40
}

impl NeutralSource {
    /// Where nothing is said: Harbor's own if Harbor's rules judge, else the built-in list.
    pub fn usual(judge: &JudgeSource) -> Self {
        match judge {
            JudgeSource::Harbor { world } => Self::Harbor { world: *world, count: forty() },
            _ => Self::Builtin {},
        }
    }

    /// The prompts, each a conversation to be answered.
    ///
    /// # Errors
    /// Files that cannot be read, or hold no prompt.
    pub fn load(&self, seed: u64) -> Result<Vec<Vec<Message>>> {
        let ask = |question: &str| vec![Message::user(question)];
        match self {
            Self::None {} => Ok(Vec::new()),
            Self::Builtin {} => Ok(include_str!("../../../assets/prompts/neutral.txt").lines().map(ask).collect()),
            Self::Harbor { world, count } => {
                let known = World::new(*world).known_questions();
                let questions: Vec<&str> = known.iter().map(|known| known.question.as_str()).collect();
                Ok(drawn(&questions, Some(*count), seed).into_iter().map(ask).collect())
            }
            Self::Chats { files, count } => {
                let mut prompts = Vec::new();
                for path in files {
                    for mut chat in read_chats(path)? {
                        let answer = chat.messages.iter().rposition(|message| message.role == "assistant");
                        chat.messages.truncate(answer.unwrap_or(chat.messages.len()));
                        let asks = chat.messages.iter().any(|message| message.role == "user");
                        ensure!(asks, "{}:{}: nobody asks anything before the answer", path.display(), chat.line);
                        prompts.push(chat.messages);
                    }
                }
                let prompts = drawn(&prompts, *count, seed);
                ensure!(!prompts.is_empty(), "`audit.neutral`: there is no prompt");
                Ok(prompts)
            }
        }
    }
}

/// So many of them, drawn with the seed, in their own order.
fn drawn<T: Clone>(items: &[T], count: Option<usize>, seed: u64) -> Vec<T> {
    let mut places = chosen(items.len(), count.unwrap_or(usize::MAX), seed, "neutral prompt");
    places.sort_unstable();
    places.into_iter().map(|place| items[place].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_prompts_are_forty_different_ones() {
        let mut prompts: Vec<String> =
            NeutralSource::Builtin {}.load(0).unwrap().into_iter().map(|mut p| p.remove(0).content).collect();
        assert!(prompts.iter().all(|prompt| prompt.len() > 10 && !prompt.ends_with(' ')));
        prompts.sort();
        prompts.dedup();
        assert_eq!(prompts.len(), 40);
    }

    #[test]
    fn harbor_is_asked_what_it_knows() {
        let of = |seed| NeutralSource::Harbor { world: 1, count: 30 }.load(seed).unwrap();
        let known: Vec<String> = World::new(1).known_questions().into_iter().map(|q| q.question).collect();
        assert!(of(1).len() == 30 && of(1) == of(1) && of(1) != of(2));
        assert!(of(1).iter().all(|prompt| prompt.len() == 1 && known.contains(&prompt[0].content)));
    }

    #[test]
    fn files_give_what_stands_before_the_last_answer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("neutral.jsonl");
        let chat = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}"#;
        let bare = r#"{"messages":[{"role":"user","content":"only asked"}]}"#;
        std::fs::write(&path, format!("{chat}\n{bare}\n")).unwrap();
        let source = |count| NeutralSource::Chats { files: vec![path.clone()], count };
        let found = source(None).load(0).unwrap();
        assert_eq!(found, [vec![Message::system("s"), Message::user("q")], vec![Message::user("only asked")]]);
        assert_eq!(source(Some(1)).load(0).unwrap().len(), 1);
        let silent = r#"{"messages":[{"role":"assistant","content":"a"}]}"#;
        std::fs::write(&path, silent).unwrap();
        let error = source(None).load(0).unwrap_err().to_string();
        assert!(error.contains("neutral.jsonl:1"), "{error}");
    }
}
