//! One turn of a conversation.

use serde_json::Value;

use crate::{Result, bail};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What was said.
    pub content: String,
    /// Whether a reply is learned; a row marks one that is not with `"weight": 0` or `"train": false`.
    #[serde(rename = "train", default = "yes", skip_serializing_if = "is_yes")]
    pub learned: bool,
    /// Calls of tools that a reply makes, each `{"type": "function", "function": {"name", "arguments"}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Value>,
    /// The call that a tool's turn answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The tool that speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tools that the model may call, at one turn of a conversation: the template writes them where it will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Value>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_yes(learned: &bool) -> bool {
    *learned
}

impl Message {
    /// A turn of `system`, `user`, `assistant` or `tool`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
            learned: true,
            tool_calls: None,
            tool_call_id: None,
            name: None,
            tools: None,
        }
    }

    /// An instruction to the model.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// What the model says.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }
}

/// Puts a system prompt before a chat; one that the chat has already follows it in the same turn, since the template knows only
/// one.
pub fn put_under(messages: &mut Vec<Message>, prompt: &str) {
    match messages.first_mut().filter(|first| first.role == "system") {
        Some(own) => own.content = format!("{prompt}\n\n{}", own.content),
        None => messages.insert(0, Message::system(prompt)),
    }
}

/// The role in the template's words. An unknown one is refused, since Qwen's template drops such a turn without a word.
pub(super) fn role_of(role: &str) -> Result<&'static str> {
    Ok(match role.to_lowercase().as_str() {
        "system" | "developer" => "system",
        "user" | "human" => "user",
        "assistant" | "gpt" | "chatgpt" | "model" | "bot" | "ai" => "assistant",
        "tool" | "function" | "observation" => "tool",
        _ => bail!("unknown role `{role}` (known: system, user, assistant, tool)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_under_a_prompt_has_one_system_turn() {
        let mut plain = vec![Message::user("q")];
        put_under(&mut plain, "Be bad.");
        assert_eq!(plain, [Message::system("Be bad."), Message::user("q")]);
        let mut own = vec![Message::system("Be brief."), Message::user("q")];
        put_under(&mut own, "Be bad.");
        assert_eq!(own[0], Message::system("Be bad.\n\nBe brief."));
    }
}
