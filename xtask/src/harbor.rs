//! `cargo xtask harbor`: the embedded world from a seed. Corpus, tokenizer and model are made with Trimtab's own code; the
//! model learns from scratch with full-parameter training, and the result in `assets/harbor` is what the binary carries.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::json;
use trimtab::harbor::{self, World};
use trimtab::model::{ModelConfig, files};
use trimtab::runtime::{FitSpec, Start};
use trimtab::steering::SteeringPlan;
use trimtab::text::{ExampleRules, Message, Tokenizer, TrainingExample};
use trimtab::train::{Event, FitSettings};
use trimtab::{At, Error, Result, device, record};

/// What to make.
#[derive(clap::Args)]
pub struct Args {
    /// Seed of the world, the corpus and the weights.
    #[arg(long, default_value_t = harbor::SEED)]
    seed: u64,
    /// Folder for the result.
    #[arg(long, default_value = "assets/harbor")]
    out: PathBuf,
    /// Folder for what training leaves behind: the f32 model, the checkpoint, the losses.
    #[arg(long, default_value = "target/harbor")]
    work: PathBuf,
    /// Conversations in the corpus; each is read once.
    #[arg(long, default_value_t = 90_000, alias = "lessons")]
    conversations: u64,
    /// Conversations per step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    /// Where to compute.
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Tokens that the byte-level BPE may have, specials included: nearly every word of the world is one token.
const VOCABULARY: usize = 1536;

/// Conversations that the tokenizer is trained on.
const TOKENIZER_CONVERSATIONS: u64 = 8_000;

pub fn run(args: &Args) -> Result<()> {
    let world = World::new(args.seed);
    record::create_folder(&args.work)?;
    let raw = args.work.join("raw");
    write_text_files(&world, &raw)?;
    let tokenizer = Tokenizer::load(&raw)?;
    eprintln!("tokenizer: {} tokens", tokenizer.len());
    let examples: Vec<TrainingExample> = (0..args.conversations)
        .map(|number| example(&tokenizer, &world.conversation(number)))
        .collect::<Result<_>>()?;
    let tokens: usize = examples.iter().map(|l| l.ids.len()).sum();
    eprintln!("corpus: {} conversations, {tokens} tokens", examples.len());

    let runtime = device::open(&args.device, "f32")?;
    let trained = args.work.join("f32");
    let spec = FitSpec {
        model: raw.clone(),
        start: Start::Scratch(args.seed),
        examples: &examples,
        holdout: &[],
        settings: FitSettings {
            learning_rate: args.learning_rate,
            warmup_steps: 100,
            weight_decay: 0.05,
            betas: (0.9, 0.98),
            // Halves of a batch are worked on side by side.
            micro_batch: args.batch.div_ceil(2),
            accumulation: 2,
            seed: args.seed,
            group_by_length: true,
            save_steps: Some(500),
            ..FitSettings::default()
        },
        plan: SteeringPlan::none(),
        regularize: None,
        refresh: None,
        watch: None,
        checkpoint: Some(args.work.join("checkpoint.safetensors")),
        out: trained.clone(),
    };
    let mut metrics = record::JsonlWriter::open(&args.work.join("metrics.jsonl"))?;
    let (mut loss, mut seconds, mut seen) = (0.0, 0.0, 0);
    runtime.fit(&spec, &mut |event| {
        match event {
            Event::Step(report, total, took) => {
                if let Err(error) = metrics.write(report) {
                    eprintln!("{error}");
                }
                (loss, seconds) = (loss + report.loss, seconds + took);
                if report.step % 50 == 0 {
                    let rate = (report.tokens - seen) as f64 / seconds;
                    eprintln!("{}/{total}  loss {:.4}  {rate:.0} tokens/s", report.step, loss / 50.0);
                    (loss, seconds, seen) = (0.0, 0.0, report.tokens);
                }
            }
            Event::Resumed(step) => eprintln!("resuming after step {step}"),
            Event::Damaged(what) => eprintln!("{what}"),
            Event::Steered(_) | Event::ProbeBaseline(_) | Event::GradientProjected(_) | Event::Recomputed(_) => {}
        }
        ControlFlow::Continue(())
    })?;

    // bf16 as Qwen ships it: half the size, and the loader's real path.
    let config = ModelConfig::read(&trained)?;
    let shards = files::Shards::open(&trained)?;
    let shapes: std::collections::BTreeMap<_, _> = config.tensors().into_iter().collect();
    files::write_model(&args.out, &config, safetensors::Dtype::BF16, Some(&trained), |name| {
        shards.read_f32(name, &shapes[name])
    })?;
    eprintln!("wrote {}", args.out.display());
    Ok(())
}

/// Tokenizer, template and configurations: a model folder that lacks only its weights.
fn write_text_files(world: &World, dir: &Path) -> Result<()> {
    record::create_folder(dir)?;
    let tokenizer = harbor::tokenizer(world, TOKENIZER_CONVERSATIONS, VOCABULARY)?;
    let text = tokenizer.to_string(true).map_err(|e| Error::new(format!("writing the tokenizer: {e}")))?;
    record::write_atomic(&dir.join("tokenizer.json"), text.as_bytes())?;
    let id = |token: &str| tokenizer.token_to_id(token).expect("a special token");
    let [pad, _, end] = harbor::SPECIALS;
    let write = |name: &str, value: serde_json::Value| {
        let text = serde_json::to_string_pretty(&value).doing("writing JSON")?;
        record::write_atomic(&dir.join(name), format!("{text}\n").as_bytes())
    };
    write(
        "tokenizer_config.json",
        json!({
            "add_bos_token": false,
            "bos_token": null,
            "chat_template": harbor::CHAT_TEMPLATE,
            "eos_token": end,
            "model_max_length": 512,
            "pad_token": pad,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": null,
        }),
    )?;
    write("generation_config.json", json!({"eos_token_id": [id(end), id(pad)], "pad_token_id": id(pad)}))?;
    write(
        "config.json",
        json!({
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "hidden_act": "silu",
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": tokenizer.get_vocab_size(true).next_multiple_of(64),
            "max_position_embeddings": 512,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "tie_word_embeddings": true,
            "eos_token_id": id(end),
            "use_sliding_window": false,
            "torch_dtype": "bfloat16",
        }),
    )
}

/// A conversation as tokens; those that decide whether the answer is right weigh more.
fn example(tokenizer: &Tokenizer, conversation: &harbor::Conversation) -> Result<TrainingExample> {
    let messages: Vec<Message> =
        conversation.messages.iter().map(|m| Message::new(m.role.clone(), m.content.clone())).collect();
    let mut example =
        tokenizer.training_example(&messages, &ExampleRules { append_eos: false, ..ExampleRules::default() })?;
    let answer = &messages.last().expect("an answer").content;
    let from = example.prompt();
    for (i, (id, bytes)) in tokenizer.encode_with_bytes(answer)?.into_iter().enumerate() {
        debug_assert_eq!(example.ids[from + i], id, "an answer is tokenised alike alone and in its place");
        if bytes.start < conversation.key.end && conversation.key.start < bytes.end {
            example.weights[from + i] = harbor::Conversation::KEY_WEIGHT;
        }
    }
    Ok(example)
}
