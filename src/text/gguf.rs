//! A GGUF file's tokenizer and template, in the form of a model folder's text files.
//!
//! llama.cpp names a byte-level BPE `gpt2` and the rule that cuts a text before it (`tokenizer.ggml.pre`); what the names stand
//! for is in its `src/llama-vocab.cpp`. Special tokens are those of the types control and user-defined.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::files::TextFiles;
use crate::gguf::{Container, Parts, Value};
use crate::{At, Error, Result, ensure};

/// The rule by which a text is cut before its pieces are tokenised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PreTokenizer {
    Default,
    Gpt2,
    Llama3,
    Qwen2,
    SmolLm,
}

/// llama.cpp's names; where a file gives none, it is `default`.
const PRE_TOKENIZERS: [(&str, PreTokenizer); 8] = [
    ("default", PreTokenizer::Default),
    ("gpt-2", PreTokenizer::Gpt2),
    ("llama-bpe", PreTokenizer::Llama3),
    ("llama3", PreTokenizer::Llama3),
    ("llama-v3", PreTokenizer::Llama3),
    ("qwen2", PreTokenizer::Qwen2),
    ("deepseek-r1-qwen", PreTokenizer::Qwen2),
    ("smollm", PreTokenizer::SmolLm),
];

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// llama.cpp's types of tokens.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

/// Tokens at which llama.cpp ends an answer beside the file's `eos_token_id`; the released models' `generation_config.json` have
/// the same.
const ENDS: [&str; 5] = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"];

impl PreTokenizer {
    fn of(file: &Container<impl AsRef<[u8]>>) -> Result<Self> {
        let name = file.text("tokenizer.ggml.pre").unwrap_or("default");
        let found = PRE_TOKENIZERS.iter().find(|(known, _)| *known == name);
        found.map(|(_, rule)| *rule).ok_or_else(|| {
            let known: Vec<&str> = PRE_TOKENIZERS.iter().map(|(known, _)| *known).collect();
            Error::new(format!("its pre-tokenizer is `{name}`, and only {} are implemented", known.join(", ")))
                .hint("give the model as a folder in Hugging Face's layout, whose tokenizer.json says what it does")
        })
    }

    /// What `tokenizer.json` says of it.
    fn json(self) -> Json {
        let byte_level = |whole: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": whole });
        let split = |pattern: &str| json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
        // Qwen's digits stand alone, Llama's in groups of three.
        let modern = |digits: &str| {
            format!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            )
        };
        let steps = match self {
            Self::Gpt2 => return byte_level(true),
            Self::SmolLm => vec![json!({ "type": "Digits", "individual_digits": true }), byte_level(true)],
            Self::Qwen2 => vec![split(&modern(r"\p{N}")), byte_level(false)],
            Self::Llama3 => vec![split(&modern(r"\p{N}{1,3}")), byte_level(false)],
            Self::Default => {
                let mut steps: Vec<Json> =
                    [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"].map(split).into();
                steps.push(byte_level(false));
                steps
            }
        };
        json!({ "type": "Sequence", "pretokenizers": steps })
    }

    /// Qwen's tokenizer composes characters before it cuts; llama.cpp leaves that out.
    fn normalizer(self) -> Json {
        if self == Self::Qwen2 { json!({ "type": "NFC" }) } else { Json::Null }
    }
}

/// The text files that a GGUF file stands for.
///
/// # Errors
/// A file that is none, or whose tokenizer is of a kind that is not implemented; the error names it.
pub(super) fn text_files(path: &Path) -> Result<TextFiles> {
    let parts = Parts::open(path)?;
    of(&parts, path).at(path)
}

/// Names and contents of the text files that a GGUF file stands for, `config.json` not among them.
///
/// # Errors
/// As for reading its tokenizer.
pub fn text_file_contents(path: &Path) -> Result<[(&'static str, Vec<u8>); 3]> {
    let TextFiles { tokenizer, tokenizer_config, generation, .. } = text_files(path)?;
    let text = |json: Json| format!("{json:#}\n").into_bytes();
    Ok([
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", text(tokenizer_config)),
        ("generation_config.json", text(generation)),
    ])
}

fn of(parts: &Parts, path: &Path) -> Result<TextFiles> {
    let file = parts.first();
    let rows = parts.tensor("token_embd.weight").and_then(|tensor| tensor.dims.get(1).copied());
    let tokens = Tokens::read(file)?;
    let id = |key: &str| file.whole(&format!("tokenizer.ggml.{key}_token_id"));
    let ids = |key: &str| id(key).filter(|&id| id < tokens.texts.len());
    let text = |id: usize| tokens.texts[id].as_str();

    let mut config = Map::new();
    for (key, name) in [("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token")]
    {
        config.extend(ids(key).map(|id| (name.to_owned(), text(id).into())));
    }
    let adds_bos = file.get("tokenizer.ggml.add_bos_token") == Some(&Value::Flag(true));
    config.insert("add_bos_token".into(), adds_bos.into());
    config.insert("clean_up_tokenization_spaces".into(), false.into());
    config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
    config.extend(
        file.whole(&format!("{}.context_length", file.text("general.architecture").unwrap_or_default()))
            .map(|n| ("model_max_length".to_owned(), n.into())),
    );
    config.extend(file.text("tokenizer.chat_template").map(|text| ("chat_template".to_owned(), text.into())));

    let mut ends: Vec<usize> = ["eos", "eot", "eom"].into_iter().filter_map(ids).collect();
    ends.extend(tokens.special().map(|(id, _)| id).filter(|&id| ENDS.contains(&text(id))));
    let mut seen = std::collections::BTreeSet::new();
    ends.retain(|id| seen.insert(*id));
    let mut generation = Map::new();
    generation.extend(ids("bos").map(|id| ("bos_token_id".to_owned(), id.into())));
    generation.insert("eos_token_id".into(), json!(ends));
    generation.extend(ids("padding").map(|id| ("pad_token_id".to_owned(), id.into())));

    let bos = ids("bos").filter(|_| adds_bos).map(|id| (id, text(id)));
    let tokenizer = tokens.json(PreTokenizer::of(file)?, bos)?;
    Ok(TextFiles {
        model: path.to_owned(),
        tokenizer: tokenizer.to_string().into_bytes(),
        tokenizer_config: config.into(),
        template: None,
        generation: generation.into(),
        config: json!({ "vocab_size": rows }),
    })
}

/// A byte-level BPE as a file holds it.
struct Tokens<'a> {
    texts: &'a [String],
    types: &'a [i64],
    merges: &'a [String],
}

impl<'a> Tokens<'a> {
    fn read(file: &'a Container<impl AsRef<[u8]>>) -> Result<Self> {
        match file.text("tokenizer.ggml.model") {
            Some("gpt2") => {}
            Some(other) => {
                return Err(Error::new(format!(
                    "its tokenizer is of the kind `{other}`, and only `gpt2` (byte-level BPE) is implemented"
                ))
                .hint("`llama` is SentencePiece, as in Llama 2 and Mistral 7B"));
            }
            None => return Err(Error::new("it has no tokenizer: `tokenizer.ggml.model` is missing")),
        }
        let texts = |key: &str| match file.get(key) {
            Some(Value::Texts(texts)) => Ok(texts.as_slice()),
            _ => Err(Error::new(format!("`{key}` is missing, or no list of texts"))),
        };
        let types = match file.get("tokenizer.ggml.token_type") {
            Some(Value::Wholes(types)) => types.as_slice(),
            _ => &[],
        };
        let all = Self { texts: texts("tokenizer.ggml.tokens")?, types, merges: texts("tokenizer.ggml.merges")? };
        let (tokens, types) = (all.texts.len(), all.types.len());
        ensure!(types == 0 || types == tokens, "`tokenizer.ggml.token_type` has {types} entries for {tokens} tokens");
        Ok(all)
    }

    fn kind(&self, id: usize) -> i64 {
        self.types.get(id).copied().unwrap_or_default()
    }

    /// The tokens that are found in a text before anything else is, and whether the model's own texts leave them out.
    fn special(&self) -> impl Iterator<Item = (usize, bool)> + '_ {
        let known = |&id: &usize| [CONTROL, USER_DEFINED].contains(&self.kind(id)) && !self.texts[id].is_empty();
        (0..self.types.len()).filter(known).map(|id| (id, self.kind(id) == CONTROL))
    }

    /// `tokenizer.json`.
    fn json(&self, rule: PreTokenizer, bos: Option<(usize, &str)>) -> Result<Json> {
        // Rows of the embedding that no token has are filled up with names that no text has.
        let filler = |id: usize| self.kind(id) == UNUSED && self.texts[id] == format!("[PAD{id}]");
        let vocabulary = self.texts.iter().enumerate().filter(|(id, _)| !filler(*id));
        let vocabulary: Map<String, Json> = vocabulary.map(|(id, text)| (text.clone(), id.into())).collect();
        // As llama.cpp has it, a space in the first place belongs to the left part.
        let pair = |merge: &'a String| {
            let at = merge.char_indices().skip(1).find(|(_, c)| *c == ' ').map(|(at, _)| at);
            at.map(|at| json!([merge[..at], merge[at + 1..]]))
                .ok_or_else(|| Error::new(format!("`tokenizer.ggml.merges` holds `{merge}`, which is no pair")))
        };
        let merges: Vec<Json> = self.merges.iter().map(pair).collect::<Result<_>>()?;
        let added = self.special().map(|(id, special)| {
            json!({
                "id": id, "content": self.texts[id], "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": special,
            })
        });
        let byte_level =
            json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false });
        let post_processor = bos.map_or_else(
            || byte_level.clone(),
            |(id, text)| {
                let begin = json!({ "SpecialToken": { "id": text, "type_id": 0 } });
                let text_of = |name: &str, kind: usize| json!({ "Sequence": { "id": name, "type_id": kind } });
                json!({
                    "type": "TemplateProcessing",
                    "single": [begin, text_of("A", 0)],
                    "pair": [begin, text_of("A", 0), { "SpecialToken": { "id": text, "type_id": 1 } }, text_of("B", 1)],
                    "special_tokens": { text: { "id": text, "ids": [id], "tokens": [text] } },
                })
            },
        );
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added.collect::<Vec<_>>(),
            "normalizer": rule.normalizer(),
            "pre_tokenizer": rule.json(),
            "post_processor": post_processor,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": rule == PreTokenizer::Llama3,
                "vocab": vocabulary,
                "merges": merges,
            },
        }))
    }
}
