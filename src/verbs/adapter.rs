//! `adapter`: an adapter's contents, and its export to other programs.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::model::ModelFolder;
use super::{Context, Outcome, paths};
use crate::model::export::{Exported, write_gguf, write_mlx};
use crate::model::peft::{Adapter, Pair, Targets};
use crate::model::{ADAPTER_WEIGHTS, AdapterFolder, AdapterForm, ModelConfig};
use crate::{Error, Result};

/// Show an adapter, or export it to llama.cpp or mlx-lm
#[derive(Debug, Subcommand)]
pub enum AdapterVerb {
    /// Show an adapter: rank, scale, target modules, norm of its change
    #[command(after_help = "Example:\n  trimtab adapter show runs/facts --model Qwen/Qwen2.5-7B-Instruct")]
    Show {
        #[command(flatten)]
        given: Given,
    },
    /// Write an adapter for another program
    ///
    /// gguf is llama.cpp's LoRA file (`llama-cli --lora FILE`), with the rank-stabilised scale folded into its alpha. mlx is a folder
    /// for mlx-lm (`mlx_lm.generate --adapter-path DIR`). Ranks and alphas of single modules are worked into the factors.
    #[command(
        after_help = "Example:\n  trimtab adapter export runs/facts --model Qwen/Qwen2.5-7B-Instruct --to gguf --out facts.gguf\n  trimtab adapter export runs/facts --model Qwen/Qwen2.5-7B-Instruct --to mlx --out facts-mlx"
    )]
    Export {
        #[command(flatten)]
        given: Given,
        /// The format
        #[arg(long, value_enum, value_name = "FORM")]
        to: Form,
        /// File (gguf) or folder (mlx) to write
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
    },
}

/// An adapter and its model.
#[derive(Debug, Args)]
pub struct Given {
    /// The adapter: PEFT's or mlx-lm's folder, a run of `train`, or a checkpoint
    #[arg(value_name = "DIR")]
    adapter: PathBuf,
    /// The model that it belongs to; only its config.json is read
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    Gguf,
    Mlx,
}

pub fn run(verb: &AdapterVerb, context: &Context<'_>) -> Result<Outcome> {
    match verb {
        AdapterVerb::Show { given } => {
            let (folder, adapter, _) = given.read(context)?;
            Ok(show(&folder, &adapter))
        }
        AdapterVerb::Export { given, to, out } => {
            let (_, adapter, model) = given.read(context)?;
            export(&adapter, &model, *to, out)
        }
    }
}

impl Given {
    fn read(&self, context: &Context<'_>) -> Result<(AdapterFolder, Adapter, ModelConfig)> {
        let folder = AdapterFolder::find(&self.adapter)?;
        let base = ModelFolder::find(&self.model, context)?.path;
        let model = ModelConfig::read(&base)?;
        let adapter = Adapter::read_on(folder.path(), &model, &base)?;
        Ok((folder, adapter, model))
    }
}

fn show(folder: &AdapterFolder, adapter: &Adapter) -> Outcome {
    let (dir, config) = (folder.path(), &adapter.config);
    let parameters: usize = adapter.pairs.values().map(|pair| pair.a.len() + pair.b.len()).sum();
    let mut norms: Vec<(&str, Vec<f64>)> = Vec::new();
    for projection in crate::model::PROJECTIONS {
        let pairs = adapter.pairs.iter().filter(|((_, p), _)| *p == projection);
        let of: Vec<f64> = pairs.map(|(_, pair)| change_norm(pair)).collect();
        if !of.is_empty() {
            norms.push((projection, of));
        }
    }
    let targets = match &config.target_modules {
        Targets::Names(names) => names.join(", "),
        Targets::Pattern(pattern) => format!("pattern {pattern}"),
    };
    let (form, strength) = match (folder.form(), config.use_rslora) {
        (AdapterForm::Mlx, _) => ("mlx-lm", format!("scale {:.4} (mlx-lm's own)", config.scale())),
        (AdapterForm::Peft, true) => (
            "peft",
            format!("alpha {}, scale {:.4} (alpha / sqrt(r), rank-stabilised)", config.lora_alpha, config.scale()),
        ),
        (AdapterForm::Peft, false) => {
            ("peft", format!("alpha {}, scale {:.4} (alpha / r)", config.lora_alpha, config.scale()))
        }
    };
    let whose = if form == "peft" { "" } else { " (an adapter of mlx-lm)" };
    let mut text = format!(
        "{}{whose}\nr {}, {strength}\ntargets {targets}\n{} pairs, {parameters} parameters\n",
        dir.display(),
        config.r,
        adapter.pairs.len()
    );
    let patterns = config.rank_pattern.len() + config.alpha_pattern.len();
    if patterns > 0 {
        text += &format!("{patterns} patterns give single modules a rank or an alpha of their own\n");
    }
    text += "norm of the change, scale · B · A, over the blocks: least, mean, largest";
    for (projection, of) in &norms {
        let (low, high) = of.iter().fold((f64::MAX, 0.0_f64), |(low, high), &x| (low.min(x), high.max(x)));
        text += &format!("\n  {projection:<18} {low:>10.4} {:>10.4} {high:>10.4}", crate::stats::mean(of));
    }
    let norms: serde_json::Map<String, serde_json::Value> =
        norms.into_iter().map(|(projection, of)| (projection.to_owned(), json!(of))).collect();
    Outcome::new(
        text,
        json!({
            "adapter": dir, "format": form, "config": config.to_json(), "scale": config.scale(), "pairs": adapter.pairs.len(),
            "parameters": parameters, "change_norms": norms,
        }),
    )
}

/// The Frobenius norm of `scale · B · A`, from the small matrices: its square is the trace of `(BᵀB)(AAᵀ)`.
fn change_norm(pair: &Pair) -> f64 {
    let (rank, inputs) = (pair.slot.rank, pair.slot.inputs);
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let row = |k: usize| &pair.a[k * inputs..][..inputs];
    let mut sum = 0.0;
    for k in 0..rank {
        for l in 0..rank {
            let bb: f64 = pair.b.chunks_exact(rank).map(|b| f64::from(b[k]) * f64::from(b[l])).sum();
            sum += bb * dot(row(k), row(l));
        }
    }
    f64::from(pair.slot.scale).abs() * sum.max(0.0).sqrt()
}

fn export(adapter: &Adapter, model: &ModelConfig, to: Form, out: &Path) -> Result<Outcome> {
    if let Form::Gguf = to {
        paths::writable("--out", out)?;
    }
    let _hold = paths::hold("--out", out)?;
    let (exported, strength) = match to {
        Form::Gguf => (write_gguf(adapter, model, out)?, "alpha"),
        Form::Mlx if out.join(ADAPTER_WEIGHTS).exists() => {
            return Err(Error::usage(format!(
                "--out {}: holds a PEFT adapter, whose `adapter_config.json` would be lost",
                out.display()
            ))
            .hint("name another folder"));
        }
        Form::Mlx => (write_mlx(adapter, model.num_hidden_layers, out)?, "scale"),
    };
    let Exported { pairs, rank, folded, padded, .. } = exported;
    let mut text = format!("{pairs} pairs, rank {rank}, {strength} {:.4}", exported.strength);
    if folded > 0 {
        text += &format!(", {folded} with another strength (B multiplied)");
    }
    if padded > 0 {
        text += &format!(", {padded} of a smaller rank (zeros behind)");
    }
    Ok(Outcome::new(format!("{text}: {}", out.display()), json!({ "out": out, "exported": exported })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_of_the_change_is_that_of_the_product() {
        let model = ModelConfig::read(Path::new("tests/fixtures/tiny")).unwrap();
        let adapter = Adapter::read(Path::new("tests/fixtures/adapter"), &model).unwrap();
        let pair = &adapter.pairs[&(1, "self_attn.k_proj")];
        let slot = &pair.slot;
        let mut square = 0.0;
        for b in pair.b.chunks_exact(slot.rank) {
            for i in 0..slot.inputs {
                let sum: f64 = (0..slot.rank).map(|k| f64::from(b[k]) * f64::from(pair.a[k * slot.inputs + i])).sum();
                square += (f64::from(slot.scale) * sum).powi(2);
            }
        }
        assert!((change_norm(pair) - square.sqrt()).abs() < 1e-9 * square.sqrt().max(1.0));
    }
}
