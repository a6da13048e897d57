//! A model folder's tokenizer: text to ids and back, special tokens, and the chat template.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tokenizers::Encoding;

use super::headers::Headers;
use super::message::Message;
use super::template::{Template, token_text};
use crate::config_file::{is_lfs_pointer, lfs_pointer, read_whole, without_mark};
use crate::{At, Error, Result, bail, ensure, guarded};

/// A model's tokenizer together with its chat template.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    template: Option<Template>,
    dir: PathBuf,
    len: usize,
    eos_ids: Vec<u32>,
    eos_token: String,
    pad_id: u32,
    /// Rows of the model's embedding, as far as its `config.json` tells.
    rows: usize,
    fingerprint: String,
    /// Found in the template when the first example asks for them.
    headers: OnceLock<Headers>,
    /// Whether the template writes tools, and calls of them; found out when the first chat has some.
    writes: OnceLock<(bool, bool)>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, `tokenizer_config.json` or `chat_template.jinja`, and the end-of-sequence ids from
    /// `generation_config.json`, else `config.json`, else the tokenizer's own `eos_token`.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        let bytes = read_whole(&path).at(&path).map_err(|e| {
            e.hint("a model folder holds `tokenizer.json`; older ones with only `vocab.json` are converted by loading and saving them in transformers")
        })?;
        if is_lfs_pointer(&bytes) {
            return Err(lfs_pointer(&path));
        }
        let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(without_mark(&bytes)))
            .and_then(|read| read.map_err(|e| Error::new(e.to_string())))
            .map_err(|e| e.at(format_args!("{}: not a tokenizer", path.display())))?;
        // A tokenizer saved after training may cut or pad; transformers switches both off unless asked.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| Error::new(format!("{}: {e}", path.display())))?;

        let config = json_or_null(&dir.join("tokenizer_config.json"))?;
        check_added_tokens(&inner, &config).at(dir)?;
        let template = Template::find(dir, &config)?;
        let len = 1 + inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize);

        let generation = json_or_null(&dir.join("generation_config.json"))?;
        let model = json_or_null(&dir.join("config.json"))?;
        let id_of = |name: &str| token_text(&config[name]).and_then(|token| inner.token_to_id(token));
        let eos_ids = [
            ids_of(&generation["eos_token_id"]),
            ids_of(&model["eos_token_id"]),
            id_of("eos_token").into_iter().collect(),
        ];
        let eos_ids = eos_ids.into_iter().find(|ids| !ids.is_empty()).unwrap_or_default();
        ensure_eos(&eos_ids, len).at(dir)?;
        let eos_token = match token_text(&config["eos_token"]) {
            Some(token) => token.to_owned(),
            None => inner.id_to_token(eos_ids[0]).unwrap_or_default(),
        };
        let rows = model["vocab_size"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let pad_id = id_of("pad_token").or_else(|| ids_of(&generation["pad_token_id"]).first().copied());
        // A pad token may have been added without a row for it; what fills a row is never attended to, so any token does.
        let pad_id = pad_id.filter(|&id| (id as usize) < rows).unwrap_or(eos_ids[0]);

        let mut hasher = blake3::Hasher::new();
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
        hasher.update(template.as_ref().map_or("", Template::source).as_bytes());
        let fingerprint = hasher.finalize().to_hex().to_string();
        let (dir, headers, writes) = (dir.to_owned(), OnceLock::new(), OnceLock::new());
        let tokenizer =
            Self { inner, template, dir, len, eos_ids, eos_token, pad_id, rows, fingerprint, headers, writes };
        // Parts that do not go together show only when they are used; that is told before any work begins.
        let tried = tokenizer.encoded(|inner| inner.encode_fast("Hello, world 1", false))?;
        tokenizer.inner_does("decoding", |inner| inner.decode(tried.get_ids(), true))?;
        Ok(tokenizer)
    }

    /// The text's ids. Nothing is added; special tokens inside the text become their ids, as transformers has it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.encoded(|inner| inner.encode_fast(text, false))?;
        self.check_rows(encoding.get_ids())?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text's ids with the bytes that each stands for.
    pub fn encode_with_bytes(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        let encoding = self.encoded(|inner| inner.encode(text, false))?;
        self.check_rows(encoding.get_ids())?;
        Ok(encoding.get_ids().iter().copied().zip(encoding.get_offsets().iter().map(|&(from, to)| from..to)).collect())
    }

    /// Refuses ids that the model cannot look up: a token may be added to the tokenizer without a row for it in the embedding.
    ///
    /// # Errors
    /// The first such id, with its token.
    pub fn check_rows(&self, ids: &[u32]) -> Result<()> {
        let Some(&id) = ids.iter().find(|&&id| id as usize >= self.rows) else { return Ok(()) };
        let (dir, rows) = (self.dir.display(), self.rows);
        let Some(token) = self.inner.id_to_token(id) else {
            bail!("the token id {id} is beyond the embedding of {dir}, which has {rows} rows");
        };
        Err(Error::new(format!("token `{token}` has the id {id}, and the embedding of {dir} has only {rows} rows")).hint(
            "the token was added to the tokenizer without resizing the model: leave it out of the text, or resize the embedding (`resize_token_embeddings`) and train it",
        ))
    }

    /// The ids' text, special tokens stripped.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        if let Some(id) = ids.iter().find(|&&id| id as usize >= self.len) {
            bail!("token id {id} is not in the tokenizer of {}, which has {} ids", self.dir.display(), self.len);
        }
        self.inner_does("decoding", |inner| inner.decode(ids, true))
    }

    fn encoded(&self, work: impl FnOnce(&tokenizers::Tokenizer) -> tokenizers::Result<Encoding>) -> Result<Encoding> {
        self.inner_does("tokenising", work)
    }

    /// The crate panics where the parts of a `tokenizer.json` do not go together.
    fn inner_does<T>(
        &self,
        what: &str,
        work: impl FnOnce(&tokenizers::Tokenizer) -> tokenizers::Result<T>,
    ) -> Result<T> {
        let done = guarded(|| work(&self.inner)).and_then(|done| done.map_err(|e| Error::new(e.to_string())));
        done.map_err(|e| {
            let file = self.dir.join("tokenizer.json");
            e.at(format_args!("{}: {what} failed", file.display()))
                .hint("its parts do not go together: fetch the file again")
        })
    }

    /// The bytes that one token stands for: a piece of text, which may end in the middle of a character, or a special
    /// token's name. Empty for an id that stands for nothing.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        let token = self.inner.id_to_token(id).unwrap_or_default();
        // As the byte-level decoder has it: a token with a character outside the alphabet stands for itself.
        token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.into_bytes())
    }

    /// Whether [`Self::decode`] leaves this token out.
    pub fn is_special(&self, id: u32) -> bool {
        let token = self.inner.id_to_token(id);
        token.is_some_and(|token| self.inner.get_added_vocabulary().is_special_token(&token))
    }

    /// One more than the largest id. A model's embedding may have more rows; those ids stand for nothing.
    #[allow(clippy::len_without_is_empty, reason = "a tokenizer without tokens does not load")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The ids that end an answer; at least one.
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos_ids
    }

    /// The text of the end-of-sequence token, which training appends to a conversation.
    pub fn eos_token(&self) -> &str {
        &self.eos_token
    }

    /// What fills short rows of a batch: the tokenizer's `pad_token`, else the end-of-sequence id.
    pub fn pad_id(&self) -> u32 {
        self.pad_id
    }

    /// The conversation as the model was trained to see it; with `generation_prompt` it ends where the answer begins.
    pub fn chat_text(&self, messages: &[Message], generation_prompt: bool) -> Result<String> {
        let template = self.template.as_ref().ok_or_else(|| {
            Error::new(format!("{}: the model has no chat template", self.dir.display()))
                .hint("put `chat_template.jinja` into the folder, or `chat_template` into its `tokenizer_config.json`")
        })?;
        let tools = messages.iter().any(|message| message.tools.is_some());
        let calls = messages.iter().any(|message| message.tool_calls.is_some());
        if tools || calls {
            let (writes_tools, writes_calls) = *self.writes.get_or_init(|| written(template));
            let lost = [("tools", tools && !writes_tools), ("tool_calls", calls && !writes_calls)];
            if let Some((key, _)) = lost.into_iter().find(|(_, lost)| *lost) {
                let what = format!("`{key}`: the chat template of {} does not write them", template.place().display());
                return Err(Error::new(what).hint(
                    "leave such rows out, take a model whose template knows tools, or write tools and calls into the words of the turns",
                ));
            }
        }
        template.render(messages, generation_prompt)
    }

    /// What stands before an answer when it is generated and when it is learned, if the two differ: some templates open an answer
    /// with words of their own, which the model has not been trained to go on from.
    pub fn other_beginning(&self) -> Option<(String, String)> {
        let learned = &self.headers().ok()?.assistant;
        let question = [Message::user("TRIMTABASKS")];
        let (asked, answered) = (self.chat_text(&question, false).ok()?, self.chat_text(&question, true).ok()?);
        let generated = answered.strip_prefix(&asked)?;
        (generated != learned).then(|| (generated.to_owned(), learned.clone()))
    }

    /// The ids of [`Self::chat_text`].
    pub fn chat_ids(&self, messages: &[Message], generation_prompt: bool) -> Result<Vec<u32>> {
        self.encode(&self.chat_text(messages, generation_prompt)?)
    }

    /// A hash of `tokenizer.json` and the chat template, by which a run's lock knows both again.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What the template writes before a user's and before the assistant's words.
    pub(super) fn headers(&self) -> Result<&Headers> {
        if let Some(headers) = self.headers.get() {
            return Ok(headers);
        }
        let headers = Headers::find(|chat| self.chat_text(chat, false)).at(&self.dir)?;
        Ok(self.headers.get_or_init(|| headers))
    }
}

/// Whether a template writes the tools that it is given, and calls with what they answer.
fn written(template: &Template) -> (bool, bool) {
    const WORDS: [&str; 4] = ["trimtabtool", "trimtabkey", "trimtabvalue", "trimtabresult"];
    let parameters = json!({"type": "object", "properties": {WORDS[1]: {"type": "string", "description": "d"}}, "required": [WORDS[1]]});
    let function = json!({"name": WORDS[0], "description": "d", "parameters": parameters});
    let tools = Some(json!([{"type": "function", "function": function}]));
    // Mistral's templates ask for ids of nine characters.
    let id = "abcdefghi";
    let call =
        json!([{"type": "function", "id": id, "function": {"name": WORDS[0], "arguments": {WORDS[1]: WORDS[2]}}}]);
    let chat = |tools: &Option<Value>| {
        let answer =
            Message { name: Some(WORDS[0].into()), tool_call_id: Some(id.into()), ..Message::new("tool", WORDS[3]) };
        [
            Message { tools: tools.clone(), ..Message::user("q") },
            Message { tool_calls: Some(call.clone()), ..Message::assistant("") },
            answer,
            Message::assistant("a"),
        ]
    };
    let has = |chat: &[Message], words: &[&str]| {
        template.render(chat, false).is_ok_and(|text| words.iter().all(|word| text.contains(word)))
    };
    let writes_tools =
        has(&[Message { tools: tools.clone(), ..Message::user("q") }, Message::assistant("a")], &WORDS[..2]);
    let calls = [WORDS[0], WORDS[2], WORDS[3]];
    (writes_tools, has(&chat(&None), &calls) || has(&chat(&tools), &calls))
}

/// The byte that a character of a byte-level token stands for (GPT-2's alphabet: printable bytes stand for themselves, the
/// others are counted from U+0100 on).
fn byte_of(c: char) -> Option<u8> {
    let byte = match u32::from(c) {
        c @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => c,
        c @ 0x100..=0x120 => c - 0x100,
        c @ 0x121..=0x142 => c - 0x121 + 0x7f,
        0x143 => 0xad,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

/// A JSON file, or null if it does not exist.
pub(super) fn json_or_null(path: &Path) -> Result<Value> {
    match read_whole(path) {
        Ok(bytes) => serde_json::from_slice(without_mark(&bytes)).at(path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(e) => Err(e).at(path),
    }
}

/// One id or a list of them; anything else is no id.
pub(super) fn ids_of(value: &Value) -> Vec<u32> {
    let id = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(list) => list.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect(),
    }
}

/// transformers would add such tokens to the tokenizer; a file that needs it is older than this project's scope.
fn check_added_tokens(inner: &tokenizers::Tokenizer, config: &Value) -> Result<()> {
    for (id, token) in config["added_tokens_decoder"].as_object().into_iter().flatten() {
        let content = token_text(token).unwrap_or_default();
        let known = inner.token_to_id(content).is_some_and(|known| known.to_string() == *id);
        if !known {
            return Err(Error::new(format!(
                "tokenizer_config.json gives `{content}` the id {id}, tokenizer.json does not"
            ))
            .hint("load and save the tokenizer once with transformers, which writes both alike"));
        }
    }
    Ok(())
}

/// An answer must be able to end.
fn ensure_eos(eos_ids: &[u32], len: usize) -> Result<()> {
    if eos_ids.is_empty() {
        return Err(Error::new("no end-of-sequence token").hint(
            "give `eos_token_id` in generation_config.json or config.json, or `eos_token` in tokenizer_config.json",
        ));
    }
    for &id in eos_ids {
        ensure!((id as usize) < len, "end-of-sequence id {id} is not in the tokenizer, which has {len} ids");
    }
    Ok(())
}
