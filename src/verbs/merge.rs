//! `merge`: an adapter added to a model's weights. The result is put in place only if its logits are those of model and adapter.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::model::ModelFolder;
use super::{Context, Outcome};
use crate::model::peft::Adapter;
use crate::model::{AdapterFolder, merge};
use crate::record::{OutputHold, create_folder, hold_output, write_atomic};
use crate::runtime::MergeCheck;
use crate::tensorfile::{Dtype, dtype_name};
use crate::{At, Error, Result, device};

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
    /// The model: a folder in Hugging Face's layout, a GGUF file, a hub name (`owner/name`, `owner/name@revision`,
    /// `owner/name:FILE.gguf`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// The adapter: PEFT's or mlx-lm's folder, a run of `train`, or a checkpoint
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// Folder for the merged model; it must not exist yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &MergeArgs, context: &Context<'_>) -> Result<Outcome> {
    let MergeArgs { model, adapter, out } = args;
    let dtype = dtype_of(&context.dtype)?;
    ensure_free(out)?;
    let model = ModelFolder::find(model, context)?;
    let folder = AdapterFolder::find(adapter)?;
    let config = model.config(context.console)?;
    let read = Adapter::read_on(folder.path(), &config, &model.path)?;

    let work = Unfinished::begin(out)?;
    let total = config.tensors().len();
    let mut bar = context.console.bar("tensors", total);
    let merged = merge(&model.path, &read, dtype, &work.path, &mut |done| bar.at(done, ""))?;
    drop(bar);
    // In f32, so that the comparison shows what the file lost, not what a device would lose.
    let runtime = device::open(&context.device, "f32")?;
    context.console.say(&format!("verifying on {}", runtime.device()));
    let check = MergeCheck::run(runtime.as_ref(), &model.path, folder.path(), &work.path, merged.dtype)?;
    check.judge(merged.dtype)?.iter().for_each(|warning| context.console.warn(warning));
    let record = json!({
        "model": model.called(), "model_fingerprint": model.fingerprint()?, "adapter": adapter,
        "adapter_hash": folder.hash()?, "scale": read.config.scale(),
        "tensors": merged.tensors, "changed": merged.changed, "dtype": dtype_name(merged.dtype),
        "proof": check, "trimtab": env!("CARGO_PKG_VERSION"),
    });
    write_atomic(&work.path.join("trimtab_merge.json"), format!("{record:#}\n").as_bytes())?;
    work.put(out)?;

    let MergeCheck { places, deviation, effect, tolerance } = check;
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
struct Unfinished {
    path: PathBuf,
    /// Of two merges into the same place, one is refused.
    _hold: OutputHold,
}

impl Unfinished {
    fn begin(out: &Path) -> Result<Self> {
        let name = out.file_name().ok_or_else(|| Error::usage(format!("--out {}: names no folder", out.display())))?;
        let path = out.with_file_name(format!(".{}.merging", name.to_string_lossy()));
        let hold = hold_output(out)?;
        // Another merge may have put its model there meanwhile.
        ensure_free(out)?;
        if path.exists() {
            std::fs::remove_dir_all(&path).at(&path)?;
        }
        create_folder(&path)?;
        Ok(Self { path, _hold: hold })
    }

    fn put(self, out: &Path) -> Result<()> {
        // An empty folder may stand there.
        let _ = std::fs::remove_dir(out);
        std::fs::rename(&self.path, out).at(out)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_merges_into_one_place_the_second_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("merged");
        let first = Unfinished::begin(&out).unwrap();
        std::fs::write(first.path.join("config.json"), "{}").unwrap();
        let e = Unfinished::begin(&out).map(drop).unwrap_err();
        assert!(e.to_string().contains("another process is writing this"), "{e}");
        assert!(first.path.join("config.json").exists(), "the second leaves the first's files alone");
        first.put(&out).unwrap();
        let e = Unfinished::begin(&out).map(drop).unwrap_err();
        assert!(e.to_string().contains("there is something already"), "{e}");
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["merged"]);
    }
}
