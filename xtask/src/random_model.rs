//! `cargo xtask random-model`: a model folder in a released shape and in Hugging Face's layout, with random weights and a
//! small tokenizer, for trials of speed, memory and files where the real weights cannot be had.

use std::path::PathBuf;

use serde_json::Value;
use trimtab::model::{ModelConfig, drawn, files, released, shapes};
use trimtab::{Error, Result};

/// What to make.
#[derive(clap::Args)]
pub struct Args {
    /// A released shape, such as Qwen2.5-7B, Qwen3-8B, Llama-3.1-8B or SmolLM2-135M; a size alone is one of Qwen2.5's.
    #[arg(long)]
    shape: String,
    /// Fewer blocks than the shape has.
    #[arg(long)]
    blocks: Option<usize>,
    /// f32, f16 or bf16.
    #[arg(long, default_value = "bf16")]
    dtype: String,
    /// Files for the weights.
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Folder with the tokenizer and the template; the vocabulary has the real one's rows nevertheless.
    #[arg(long, default_value = "assets/harbor")]
    tokenizer: PathBuf,
    /// Seed of the weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the result.
    #[arg(long)]
    out: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let mut config = released(&args.shape).ok_or_else(|| {
        let known: Vec<_> = shapes().collect();
        Error::usage(format!("--shape {}: there are {}", args.shape, known.join(", ")))
    })?;
    if let Some(blocks) = args.blocks {
        let mut json = config.source.clone();
        json.insert("num_hidden_layers".into(), blocks.into());
        config = ModelConfig::from_json(&Value::from(json))?;
    }
    let dtype = match args.dtype.as_str() {
        "f32" => safetensors::Dtype::F32,
        "f16" => safetensors::Dtype::F16,
        "bf16" => safetensors::Dtype::BF16,
        other => return Err(Error::usage(format!("--dtype {other}: there are f32, f16 and bf16"))),
    };
    let shapes: std::collections::BTreeMap<_, _> = config.tensors().into_iter().collect();
    let blocks = config.num_hidden_layers;
    files::write_shards(&args.out, &config, dtype, args.shards, Some(&args.tokenizer), |name| {
        Ok(drawn(name, &shapes[name], blocks, args.seed))
    })?;
    let values: usize = shapes.values().map(|shape| shape.iter().product::<usize>()).sum();
    eprintln!("wrote {}: {values} parameters in {blocks} blocks", args.out.display());
    Ok(())
}
