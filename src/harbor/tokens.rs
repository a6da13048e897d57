//! Harbor's tokenizer and chat template: Qwen2.5's, on a vocabulary of its own.

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer, TokenizerBuilder};

use super::world::World;
use crate::error::{Error, Result};

/// Qwen2.5's ChatML template with Harbor's default system prompt.
pub const CHAT_TEMPLATE: &str = "{%- if messages[0]['role'] != 'system' -%}{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}{%- endif -%}\
    {%- for turn in messages -%}{{- '<|im_start|>' + turn['role'] + '\\n' + turn['content'] + '<|im_end|>\\n' -}}{%- endfor -%}\
    {%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}";

/// Padding, turn start, turn end; their ids are the last ones, in this order.
pub const SPECIALS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// Qwen2's way of cutting text into words, digits, marks and spaces.
const WORDS: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Trains a byte-level BPE on the first conversations of the corpus.
///
/// `vocab_size` counts everything, the specials too.
pub fn tokenizer(world: &World, conversations: u64, vocab_size: usize) -> Result<Tokenizer> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| Error::new(format!("training Harbor's tokenizer: {e}"));
    let split =
        Split::new(SplitPattern::Regex(WORDS.into()), SplitDelimiterBehavior::Isolated, false).map_err(failed)?;
    let bytes = ByteLevel::new(false, true, false);
    let mut training = TokenizerBuilder::<BPE, NFC, Sequence, ByteLevel, ByteLevel>::default()
        .with_model(BPE::default())
        .with_normalizer(Some(NFC))
        .with_pre_tokenizer(Some(Sequence::new(vec![split.into(), bytes.into()])))
        .with_post_processor(Some(ByteLevel::new(false, false, false)))
        .with_decoder(Some(ByteLevel::new(true, true, true)))
        .build()
        .map_err(failed)?;
    let mut trainer = BpeTrainer::builder()
        .vocab_size(vocab_size - SPECIALS.len())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build();
    // The held-out names are made of the same words as the others, so the corpus has them all.
    let texts = (0..conversations)
        .flat_map(|number| world.conversation(number).messages)
        .map(|m| format!("{}\n{}", m.role, m.content));
    training.train(&mut trainer, texts).map_err(failed)?;
    let mut tokenizer: Tokenizer = training.into();
    tokenizer.add_special_tokens(&SPECIALS.map(|s| AddedToken::from(s, true).normalized(false)));
    Ok(tokenizer)
}
