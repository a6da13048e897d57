//! Files of prompts, JSONL, a JSON list or Parquet: rows with an `id` and exactly one of `messages`, `prompt` (text as it is) and `prompt_ids` (tokens
//! as they are).

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::language_model::{Prompt, Request};
use crate::record::{refuse_malformed, scan_objects};
use crate::text::{Message, chat_of_row};
use crate::{Error, Result, bail, ensure};

#[derive(Debug, Clone, PartialEq)]
pub struct PromptRow {
    pub line: usize,
    /// Its id as the file has it: a text or a number.
    pub id: Value,
    pub messages: Option<Vec<Message>>,
    pub ask: Request,
}

/// Reads a file of prompts. A malformed row or an id that occurs twice is an error, which names each such line.
pub fn read(path: &Path) -> Result<Vec<PromptRow>> {
    let mut seen = HashMap::new();
    let (rows, bad) = scan_objects(path, |line, row| {
        let row = prompt_of_row(line, row)?;
        match seen.insert(row.ask.id.clone(), line) {
            Some(first) => Err(Error::new(format!("the id {} is that of line {first} too", row.id))),
            None => Ok(row),
        }
    })?;
    refuse_malformed(bad, rows.len()).map_err(|e| {
        e.hint("a row is {\"id\": \"a\", \"messages\": [{\"role\": \"user\", \"content\": \"...\"}]}, or has `prompt` or `prompt_ids` instead")
    })?;
    Ok(rows)
}

fn prompt_of_row(line: usize, mut row: Map<String, Value>) -> Result<PromptRow> {
    let id = row.remove("id").ok_or_else(|| Error::new("no `id`"))?;
    let name = match &id {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => bail!("`id` is neither a text nor a number"),
    };
    let mut given = ["messages", "prompt", "prompt_ids"].into_iter().filter_map(|key| Some((key, row.remove(key)?)));
    let given: Vec<_> = given.by_ref().filter(|(_, value)| !value.is_null()).collect();
    let [(key, value)] = &given[..] else {
        let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
        let found = if keys.is_empty() { "none".to_owned() } else { keys.join(" and ") };
        bail!("exactly one of `messages`, `prompt` and `prompt_ids` is needed, {found} given");
    };
    let mut messages = None;
    let prompt = match *key {
        "messages" => {
            let (turns, _) = chat_of_row(Map::from_iter([("messages".to_owned(), value.clone())]))?;
            messages = Some(turns.clone());
            Prompt::Chat(turns)
        }
        "prompt" => match value.as_str() {
            Some("") => bail!("`prompt` is empty"),
            Some(text) => Prompt::Text(text.to_owned()),
            None => bail!("`prompt` is not a text"),
        },
        _ => {
            let ids: Vec<u32> = serde_json::from_value(value.clone())
                .map_err(|_| Error::new("`prompt_ids` is no list of token ids"))?;
            ensure!(!ids.is_empty(), "`prompt_ids` is empty");
            Prompt::Ids(ids)
        }
    };
    Ok(PromptRow { line, id, messages, ask: Request { id: name, prompt, coefs: None } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<PromptRow>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn the_three_kinds_of_prompts() {
        let rows = read_text(
            "{\"id\":7,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n\n{\"id\":\"b\",\"prompt\":\"x\",\"note\":1}\n{\"id\":\"c\",\"prompt_ids\":[1,2]}\n",
        )
        .unwrap();
        assert_eq!((rows[0].ask.id.as_str(), &rows[0].id), ("7", &Value::from(7)));
        assert_eq!(rows[0].messages.as_ref().unwrap()[0], Message::user("a"));
        assert_eq!(rows[1].ask.prompt, Prompt::Text("x".into()));
        assert_eq!(rows[2].ask.prompt, Prompt::Ids(vec![1, 2]));
    }

    #[test]
    fn every_malformed_row_is_named() {
        let error = read_text(
            "{\"id\":1,\"prompt\":\"a\"}\n{\"id\":\"1\",\"prompt\":\"a\"}\n{\"prompt\":\"a\"}\n{\"id\":2}\nnonsense\n{\"id\":3,\"prompt\":\"a\",\"prompt_ids\":[1]}\n{\"id\":4,\"prompt_ids\":[-1]}\n{\"id\":5,\"messages\":[{\"role\":\"user\"}]}\n",
        )
        .unwrap_err()
        .to_string();
        for want in [
            "7 of 8 rows",
            ":2: the id \"1\" is that of line 1 too",
            ":3: no `id`",
            ":4: exactly one of `messages`, `prompt` and `prompt_ids` is needed, none given",
            ":5: not a JSON object",
            ":6: exactly one of `messages`, `prompt` and `prompt_ids` is needed, prompt and prompt_ids given",
            ":7: `prompt_ids` is no list",
            ":8: `messages`: turn 1: no `content`",
        ] {
            assert!(error.contains(want), "{want} is not in {error}");
        }
        assert!(read_text("\n").unwrap_err().to_string().contains("holds no row"));
    }
}
