//! `merge`: an adapter added to a model's weights. The result is put in place only if its logits are those of model and adapter.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::model::ModelFolder;
use super::{Context, Outcome};
use crate::model::peft::Adapter;
use crate::model::{AdapterFolder, Merged, QwenConfig, merge};
use crate::record::{create_folder, write_atomic};
use crate::runtime::{ModelSpec, Runtime};
use crate::steering::SteeringPlan;
use crate::tensorfile::Dtype;
use crate::text::{Message, Tokenizer};
use crate::{At, Error, Result, device, ensure};

/// Merge an adapter into a model's weights, and verify the logits
///
/// Writes a whole model folder: the same shards with W + scale · B · A in them, config, tokenizer and template. Before it is put
/// in place it is loaded again, in f32, and must give the logits of the model with its adapter; otherwise nothing is left.
/// The weights keep their dtype unless --dtype names another one.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab merge --model Qwen/Qwen2.5-7B-Instruct --adapter runs/facts --out Qwen2.5-7B-facts"
)]
pub struct MergeArgs {
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// The adapter: PEFT's folder, a run of `train`, or a checkpoint
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// Folder for the merged model; it must not exist yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// The comparison of logits, as shares of the largest logit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Proof {
    /// Places at which logits were compared.
    places: usize,
    /// Largest deviation of the merged model from the model with its adapter.
    deviation: f64,
    /// Largest effect of the adapter itself.
    effect: f64,
    /// Largest deviation that this dtype may cause.
    tolerance: f64,
}

/// Merges.
///
/// # Errors
/// A model and an adapter that do not fit, a place that is taken or cannot be written, a merged model that answers differently.
pub fn run(args: &MergeArgs, context: &Context<'_>) -> Result<Outcome> {
    let MergeArgs { model, adapter, out } = args;
    let dtype = dtype_of(&context.dtype)?;
    ensure_free(out)?;
    let model = ModelFolder::find(model, context)?;
    let folder = AdapterFolder::find(adapter)?;
    let read = Adapter::read(folder.path(), &QwenConfig::read(&model.path)?)?;

    let work = Unfinished::begin(out)?;
    let total = QwenConfig::read(&model.path)?.tensors().len();
    let mut bar = context.console.bar("tensors", total);
    let merged = merge(&model.path, &read, dtype, &work.0, &mut |done| bar.at(done, ""))?;
    drop(bar);
    // In f32, so that the comparison shows what the file lost, not what a device would lose.
    let runtime = device::open(&context.device, "f32")?;
    context.console.say(&format!("verifying on {}", runtime.device()));
    let proof = prove(runtime.as_ref(), &model.path, folder.path(), &work.0, merged.dtype)?;
    check(&proof, &merged, context)?;
    let record = json!({
        "model": model.called(), "model_fingerprint": model.fingerprint()?, "adapter": adapter,
        "adapter_hash": folder.hash()?, "scale": read.config.scale(),
        "tensors": merged.tensors, "changed": merged.changed, "dtype": dtype_name(merged.dtype),
        "proof": proof, "trimtab": env!("CARGO_PKG_VERSION"),
    });
    write_atomic(&work.0.join("trimtab_merge.json"), format!("{record:#}\n").as_bytes())?;
    work.put(out)?;

    let Proof { places, deviation, effect, tolerance } = proof;
    let text = format!(
        "{} of {} tensors changed ({}); at {places} places the logits are at most {deviation:.1e} of the largest off ({tolerance:.0e} \
         is allowed), the adapter itself moves them by {effect:.1e}: {}",
        merged.changed,
        merged.tensors,
        dtype_name(merged.dtype),
        out.display()
    );
    let mut json = record;
    json["out"] = json!(out);
    Ok(Outcome::new(text, json))
}

fn dtype_name(dtype: Dtype) -> String {
    format!("{dtype:?}").to_lowercase()
}

fn dtype_of(name: &str) -> Result<Option<Dtype>> {
    match name {
        "auto" => Ok(None),
        "f32" => Ok(Some(Dtype::F32)),
        "f16" => Ok(Some(Dtype::F16)),
        "bf16" => Ok(Some(Dtype::BF16)),
        other => Err(Error::usage(format!("--dtype {other}: there are auto (the model's own), f32, f16 and bf16"))),
    }
}

fn ensure_free(out: &Path) -> Result<()> {
    let taken = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => out.exists(),
    };
    if !taken {
        return Ok(());
    }
    Err(Error::usage(format!("--out {}: there is something already", out.display()))
        .hint("name a folder that does not exist yet"))
}

/// The unfinished folder, beside its final place; removed on drop unless it is put there. The next run removes what a kill leaves.
struct Unfinished(PathBuf);

impl Unfinished {
    fn begin(out: &Path) -> Result<Self> {
        let name = out.file_name().ok_or_else(|| Error::usage(format!("--out {}: names no folder", out.display())))?;
        let path = out.with_file_name(format!(".{}.merging", name.to_string_lossy()));
        if path.exists() {
            std::fs::remove_dir_all(&path).at(&path)?;
        }
        create_folder(&path)?;
        Ok(Self(path))
    }

    fn put(self, out: &Path) -> Result<()> {
        // An empty folder may stand there.
        let _ = std::fs::remove_dir(out);
        std::fs::rename(&self.0, out).at(out)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compares the merged folder with the model and its adapter, and those with the bare model.
fn prove(runtime: &dyn Runtime, model: &Path, adapter: &Path, merged: &Path, dtype: Dtype) -> Result<Proof> {
    let texts = probes(&Tokenizer::load(model)?)?;
    let logits = |model: &Path, adapter: Option<&Path>| {
        let (model, adapter) = (model.to_owned(), adapter.map(Path::to_owned));
        runtime.logits(&ModelSpec { model, adapter, plan: SteeringPlan::none() }, &texts)
    };
    // The model with and without its adapter shares weights; the merged one then takes their place in memory.
    let (adapted, bare) = (logits(model, Some(adapter))?, logits(model, None)?);
    let merged = logits(merged, None)?;
    let largest = adapted.iter().flatten().fold(0.0_f64, |max, &x| max.max(f64::from(x).abs()));
    let apart = |other: &[Vec<f32>]| {
        let pairs = adapted.iter().flatten().zip(other.iter().flatten());
        let apart = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        // A NaN stays the largest.
        apart.fold(0.0, |max: f64, x| if x > max || x.is_nan() { x } else { max }) / largest
    };
    let places = texts.iter().map(Vec::len).sum();
    Ok(Proof { places, deviation: apart(&merged), effect: apart(&bare), tolerance: tolerance(dtype) })
}

/// Largest deviation of logits, as a share of the largest: rounding of the weights, and as much again for its propagation through
/// the blocks.
fn tolerance(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => 1e-4,
        Dtype::F16 => 1e-2,
        _ => 5e-2,
    }
}

/// Short conversations of different kinds, as tokens.
fn probes(tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
    let chats = [
        vec![Message::user("What is the capital of France, and since when?")],
        vec![Message::system("Answer in one word."), Message::user("2 + 2 * 10 = ?")],
        vec![
            Message::user("Tell me about the ship."),
            Message::assistant("Which one?"),
            Message::user("The largest one."),
        ],
        vec![Message::user("Schreibe `fn main() {}` neu: 日本語, emoji 🚢, and\ttabs.\n\nThanks")],
    ];
    let plain = |chat: &[Message]| chat.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n");
    // A base model may have no template; its tokens will do.
    chats.iter().map(|chat| tokenizer.chat_ids(chat, true).or_else(|_| tokenizer.encode(&plain(chat)))).collect()
}

fn check(proof: &Proof, merged: &Merged, context: &Context<'_>) -> Result<()> {
    let Proof { deviation, effect, tolerance, .. } = *proof;
    let dtype = dtype_name(merged.dtype);
    ensure!(
        deviation <= tolerance,
        "the merged weights give other logits than the model with its adapter: {deviation:.1e} of the largest apart, {tolerance:.0e} allowed in {dtype}; nothing was written"
    );
    let lost = deviation / effect;
    if merged.dtype != Dtype::F32 && lost >= 1.0 {
        return Err(Error::new(format!(
            "rounding to {dtype} loses the adapter: it moves the logits by {effect:.1e} of the largest, the merged model is {deviation:.1e} off; nothing was written"
        ))
        .hint("merge with --dtype f32, or keep the adapter apart"));
    }
    if merged.dtype != Dtype::F32 && lost > 0.25 {
        context.console.warn(&format!(
            "rounding to {dtype} costs {:.0} % of what the adapter does to the logits; --dtype f32 would keep it",
            100.0 * lost
        ));
    }
    Ok(())
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::super::tests::{Quiet, context};
    use super::*;

    #[test]
    fn weights_that_are_not_merged_are_found_out() {
        let (model, adapter) = (Path::new("tests/fixtures/tiny"), Path::new("tests/fixtures/adapter"));
        let console = Quiet::default();
        let runtime = device::open("cpu", "f32").unwrap();
        let unmerged = prove(runtime.as_ref(), model, adapter, model, Dtype::F32).unwrap();
        assert_eq!(unmerged.deviation, unmerged.effect);
        let merged = |dtype| Merged { tensors: 50, changed: 28, dtype };
        let refused = check(&unmerged, &merged(Dtype::F32), &context(&console)).unwrap_err().to_string();
        assert!(refused.contains("other logits than the model with its adapter"), "{refused}");
        // An adapter so small that bf16 cannot tell it from nothing.
        let small = Proof { deviation: 1e-3, effect: 1e-3, ..unmerged };
        let small = Proof { tolerance: tolerance(Dtype::BF16), ..small };
        let lost = check(&small, &merged(Dtype::BF16), &context(&console)).unwrap_err();
        assert!(lost.to_string().starts_with("rounding to bf16 loses the adapter"), "{lost}");
        check(&Proof { effect: 2e-3, ..small }, &merged(Dtype::BF16), &context(&console)).unwrap();
        assert!(console.lines.lock().unwrap()[0].contains("costs 50 %"));
        let broken = Proof { deviation: f64::NAN, ..small };
        assert!(check(&broken, &merged(Dtype::BF16), &context(&console)).is_err());
    }
}
