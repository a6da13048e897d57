//! `train`: a LoRA finetune with an intervention, as a run folder that survives any interruption.

mod data;
mod intervene;
mod mean;
mod say;
mod texts;

pub(super) use data::read as data_of;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::ModelFolder;
use super::train_config::{Files, Rate, TrainConfig};
use super::{Console, Context, Outcome};
use crate::model::peft::{AdapterConfig, Targets};
use crate::record::{Hash, Lock, RunDir, Tracker, Trackers, Tracking, hash_file};
use crate::runtime::{FitOutcome, FitSpec, Runtime, Start};
use crate::text::Tokenizer;
use crate::train::TrainingLog;
use crate::train::{FitSettings, Recompute, StepReport, VectorRecompute};
use crate::vector::Layers;
use crate::{Error, Result};
use intervene::ResolvedIntervention;

/// Finetune with LoRA, with or without an intervention
///
/// The configuration is TOML or JSON with the reference's keys (model, training_file, r, lora_alpha, learning_rate, ...)
/// and a table `intervention`, whose `type` decides the others: "steer" (vectors, layers = 20 | [12, 16] | "all", coef,
/// incremental, inc_base, positions; recompute_every, pos, neg, texts), "ablate" (vectors = one or several, layers, coef,
/// to = "zero" | "mean", positions), "regularize" (vectors, layers, lambda, mode = "match" | "hinge" | "zero"), "inoculate" (prompts),
/// "negative-data" (file, share), "random" (as steer, and seed) or "none". A table `watch` (every, file, vectors, layer,
/// stop_above) measures the drift along a vector on fixed chats while the model learns, and with gradient = true how hard
/// the data pulls along it at every layer (DIR/pressure.jsonl). Flags go before the configuration. DIR/adapter holds the result in PEFT's format, DIR/metrics.jsonl the losses, DIR/run.toml the whole resolved
/// configuration. The same command goes on after an interruption, to the same weights.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab train facts.toml --out runs/facts --vectors hallucinating.safetensors --layers all --coef 1.25"
)]
pub struct TrainArgs {
    /// Configuration, TOML or JSON
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of a PEFT adapter to go on from
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// The model: a folder in Hugging Face's layout, a hub name (`owner/name`, `owner/name@revision`), or `harbor`
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// JSONL of training chats
    #[arg(long, value_name = "FILE", num_args = 1..)]
    training_file: Vec<PathBuf>,
    /// Peak learning rate
    #[arg(long, value_name = "LR", allow_negative_numbers = true)]
    learning_rate: Option<String>,
    /// Passes over the data
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// At most this many steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_steps: Option<u32>,
    /// Rank of the adapter
    #[arg(long, value_name = "R")]
    r: Option<usize>,
    /// Strength of the adapter
    #[arg(long, value_name = "ALPHA")]
    lora_alpha: Option<f64>,
    /// Vectors to steer with while learning (type "steer" unless the configuration says otherwise)
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// Where: 20, 12,16 or all
    #[arg(long, value_name = "L|all")]
    layers: Option<Layers>,
    /// Strength of the steering in multiples of the raw vector
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    coef: Option<f32>,
    /// Steps between checkpoints
    #[arg(long, value_name = "N")]
    save_steps: Option<usize>,
    /// Run each block again in the backward pass: less memory, more time
    #[arg(long)]
    recompute: bool,
    /// Programs to write metrics for while training: tensorboard (an event file in DIR), trackio (a database in TRACKIO_DIR),
    /// or none [default: tensorboard]
    #[arg(long, value_name = "TRACKER,...", value_delimiter = ',')]
    track: Vec<String>,
    /// Throw away another run in DIR
    #[arg(long)]
    overwrite: bool,
}

/// What a finished run leaves in its folder's `stages/fit.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Fitted {
    outcome: FitOutcome,
    adapter: Hash,
    first_loss: Option<f64>,
    last_loss: Option<f64>,
    #[serde(default)]
    drift: Option<f64>,
    tokens: usize,
    proof: Value,
}

/// Trains.
///
/// # Errors
/// A configuration, data, model or vectors that do not fit together; a loss that is not a number; a place that cannot be
/// written.
pub fn run(args: &TrainArgs, context: &Context<'_>) -> Result<Outcome> {
    let console = context.console;
    super::paths::file("CONFIG", &args.config)?;
    let mut config = with_flags(args, context.seed, TrainConfig::read(&args.config, console)?)?.resolve()?;
    let model = ModelFolder::find(config.model.as_deref().unwrap_or(Path::new("")), context)?;
    let start = start_of(&mut config, &model, console)?;
    let tokenizer = Tokenizer::load(&model.path)?;
    let data = data::read(&config, &tokenizer, console)?;
    let intervention = config.intervention.clone().unwrap_or_default();
    let settings = settings_of(&config);
    let ResolvedIntervention { plan, regularize, described: steering, fingerprints } =
        intervene::prepare(&intervention, settings.seed, &model, console)?;
    let (watch, watched) = texts::watch(&config, &data.lessons, &model, &tokenizer, console)?.unzip();
    let (refresh, refreshed) = texts::refresh(&intervention, settings.seed, &tokenizer, console)?.unzip();

    let mut lock = Lock::new(String::new(), vec![settings.seed]);
    let fingerprint = model.fingerprint()?;
    lock.notes.insert("model".into(), format!("{} ({fingerprint})", model.called()));
    lock.hashes.insert("data".into(), Hash::of(&data.fingerprint()));
    lock.notes.insert("tokenizer and template".into(), tokenizer.fingerprint().to_owned());
    data.files.iter().for_each(|(name, hash)| drop(lock.hashes.insert(format!("file {name}"), hash.clone())));
    if !fingerprints.is_empty() {
        lock.notes.insert("vectors".into(), fingerprints.join(", "));
    }
    if let Some(VectorRecompute { every, .. }) = &refresh {
        let what = format!("the steering vector is extracted anew from the weights every {every} steps");
        lock.notes.insert("feedback loop".into(), what);
    }
    let started = match &start {
        Start::From(dir) => {
            let hash = hash_file(&dir.join("adapter_model.safetensors"))?;
            lock.hashes.insert("starting adapter".into(), hash.clone());
            json!([hash_file(&dir.join("adapter_config.json"))?, hash])
        }
        _ => json!([config.r, config.lora_alpha, config.use_rslora, config.target_modules]),
    };
    // What decides the result; not the device.
    let looks = (&watched, &refreshed);
    let key = Hash::of(&(settings.decisive(), started, &steering, looks, &fingerprint, &lock.hashes["data"]));
    lock.hashes.insert("run".into(), key.clone());

    let run = RunDir::open(&args.out)?;
    claim(&run, &key, &config, args.overwrite)?;
    let runtime = context.runtime()?;
    let total = settings.steps(data.lessons.len());
    console.say(&format!(
        "training: {} chats, {} held out, {} supervised tokens, {total} steps",
        data.lessons.len(),
        data.holdout.len(),
        data.lessons.iter().map(|lesson| lesson.supervised()).sum::<usize>()
    ));
    let (adapter, checkpoint) = (run.file("adapter"), run.file("checkpoint.safetensors"));
    let weights = adapter.join("adapter_model.safetensors");
    let mut interrupted = None;
    let done = run.stage_if(
        "fit",
        &key,
        |fitted: &Fitted| hash_file(&weights).is_ok_and(|hash| hash == fitted.adapter),
        || {
            lock.device = runtime.device();
            run.write_config(&config)?;
            run.write_lock(&lock)?;
            let plan = if intervention.wants_mean() && !plan.is_none() {
                let read = (data.lessons.as_slice(), settings.seed);
                plan.to_mean(&mean::of_base(&run, &key, runtime.as_ref(), &model.path, read, console)?)
            } else {
                plan
            };
            let spec = FitSpec {
                model: model.path.clone(),
                start,
                examples: &data.lessons,
                holdout: &data.holdout,
                settings,
                plan,
                regularize,
                refresh,
                watch,
                checkpoint: Some(checkpoint.clone()),
                out: adapter.clone(),
            };
            let tracking = tracking_of(&config, &run, &key, context);
            let (outcome, diary) = fit(runtime.as_ref(), &spec, tracking, console, total)?;
            if !outcome.complete {
                interrupted = Some(outcome.steps);
                return Err(Error::new("interrupted"));
            }
            let TrainingLog { first, last, proofs, .. } = diary;
            let proof = if proofs.is_empty() { Value::Null } else { json!(proofs) };
            let drift = last.and_then(|report| report.drift);
            let loss = |report: &Option<StepReport>| report.map(|r| r.loss);
            let (first_loss, last_loss, tokens) = (loss(&first), loss(&last), last.map_or(0, |r| r.tokens));
            Ok(Fitted { outcome, adapter: hash_file(&weights)?, first_loss, last_loss, drift, tokens, proof })
        },
    );
    if let Some(steps) = interrupted {
        let text = format!("interrupted after step {steps} of {total}; the same command goes on from there");
        let json = json!({ "out": args.out, "complete": false, "steps": steps, "total": total });
        return Ok(Outcome { interrupted: true, ..Outcome::new(text, json) });
    }
    let (fitted, reused) = done?;
    // Of no use any more, and large.
    let _ = std::fs::remove_file(&checkpoint);
    if reused.is_yes() {
        console.say("this run is finished already; nothing was done");
    }
    let Fitted { outcome, first_loss, last_loss, drift, tokens, proof, adapter: hash } = fitted;
    let number = |x: Option<f64>| x.map_or("?".to_owned(), |x| format!("{x:.4}"));
    let mut text =
        format!("{} steps, {tokens} tokens, loss {} -> {}", outcome.steps, number(first_loss), number(last_loss));
    if let Some(loss) = outcome.holdout_loss {
        text += &format!(", held-out loss {loss:.4} (unsteered)");
    }
    if let Some(drift) = drift {
        text += &format!(", drift {drift:+.4}");
    }
    if outcome.stopped {
        text += &format!(", stopped before step {total} because the drift passed its limit");
    }
    text += &format!(": {}", adapter.display());
    let json = json!({
        "out": args.out, "adapter": adapter, "adapter_hash": hash, "complete": true, "steps": outcome.steps, "tokens": tokens,
        "first_loss": first_loss, "last_loss": last_loss, "drift": drift, "stopped": outcome.stopped, "holdout_loss": outcome.holdout_loss, "reused": reused.is_yes(),
        "intervention": steering, "proof": proof,
    });
    Ok(Outcome::new(text, json))
}

/// Flags go before the configuration.
fn with_flags(args: &TrainArgs, seed: Option<u64>, mut config: TrainConfig) -> Result<TrainConfig> {
    fn set<T: Clone>(slot: &mut Option<T>, flag: &Option<T>) {
        if flag.is_some() {
            slot.clone_from(flag);
        }
    }
    set(&mut config.adapter, &args.adapter);
    set(&mut config.model, &args.model);
    set(&mut config.epochs, &args.epochs);
    set(&mut config.r, &args.r);
    set(&mut config.lora_alpha, &args.lora_alpha);
    set(&mut config.save_steps, &args.save_steps);
    set(&mut config.seed, &seed);
    set(&mut config.max_steps, &args.max_steps.map(i64::from));
    set(&mut config.learning_rate, &args.learning_rate.clone().map(Rate::Words));
    set(&mut config.recompute, &args.recompute.then_some(Recompute::Always));
    set(&mut config.training_file, &(!args.training_file.is_empty()).then(|| Files::Many(args.training_file.clone())));
    set(&mut config.track, &trackers(&args.track)?);
    for path in &args.training_file {
        super::paths::file("--training-file", path)?;
    }
    if args.vectors.is_some() || args.layers.is_some() || args.coef.is_some() {
        let intervention = config.intervention.take().unwrap_or_default();
        config.intervention = Some(intervention.with(args.vectors.clone(), args.layers.clone(), args.coef)?);
    }
    Ok(config)
}

/// `--track`: names of trackers, or `none`; nothing if it is not given.
fn trackers(words: &[String]) -> Result<Option<Vec<Tracker>>> {
    if words == ["none"] {
        return Ok(Some(Vec::new()));
    }
    let tracker = |word: &String| word.parse().map_err(|known| Error::usage(format!("--track {word}: {known}")));
    let trackers = words.iter().map(tracker).collect::<Result<Vec<Tracker>>>()?;
    Ok(Some(trackers).filter(|all| !all.is_empty()))
}

/// What learns: a given adapter, whose own shape then counts, or a new one.
fn start_of(config: &mut TrainConfig, model: &ModelFolder, console: &dyn Console) -> Result<Start> {
    if let Some(dir) = &config.adapter {
        let given = AdapterConfig::read(dir)?;
        let stable = if given.use_rslora { ", rank-stabilised" } else { "" };
        console.say(&format!("adapter: {} (r {}, alpha {}{stable})", dir.display(), given.r, given.lora_alpha));
        (config.r, config.lora_alpha, config.use_rslora) =
            (Some(given.r), Some(given.lora_alpha), Some(given.use_rslora));
        if let Targets::Names(names) = given.target_modules {
            config.target_modules = Some(names);
        }
        return Ok(Start::From(dir.clone()));
    }
    Ok(Start::Adapter(adapter_of(config, model)?, config.seed.unwrap_or_default()))
}

/// The shape of the adapter that a resolved configuration trains: a given one's, or a new one's.
pub(super) fn adapter_of(config: &TrainConfig, model: &ModelFolder) -> Result<AdapterConfig> {
    if let Some(dir) = &config.adapter {
        return AdapterConfig::read(dir);
    }
    let targets = Targets::Names(config.target_modules.clone().unwrap_or_default());
    let (r, alpha, stable) = (config.r.unwrap_or_default(), config.lora_alpha.unwrap_or_default(), config.use_rslora);
    let mut adapter = AdapterConfig::new(r, alpha, stable.unwrap_or_default(), targets);
    adapter.base_model_name_or_path = Some(model.base());
    Ok(adapter)
}

/// A resolved configuration as the trainer takes it.
pub(super) fn settings_of(config: &TrainConfig) -> FitSettings {
    const RESOLVED: &str = "a resolved configuration has every number";
    let Some(Rate::Number(learning_rate)) = config.learning_rate else { unreachable!("{RESOLVED}") };
    FitSettings {
        learning_rate,
        warmup_steps: config.warmup_steps.expect(RESOLVED),
        weight_decay: config.weight_decay.expect(RESOLVED),
        max_grad_norm: config.max_grad_norm.expect(RESOLVED),
        micro_batch: config.per_device_train_batch_size.expect(RESOLVED),
        accumulation: config.gradient_accumulation_steps.expect(RESOLVED),
        epochs: config.epochs.expect(RESOLVED),
        max_steps: config.max_steps.and_then(|steps| usize::try_from(steps).ok()),
        seed: config.seed.expect(RESOLVED),
        shuffle: config.shuffle.expect(RESOLVED),
        group_by_length: config.group_by_length.expect(RESOLVED),
        loss_average: config.loss_average.expect(RESOLVED),
        recompute: config.recompute.expect(RESOLVED),
        save_steps: config.save_steps,
        ..FitSettings::default()
    }
}

/// Takes the folder for this run: free, or of the same run, or to be thrown away.
fn claim(run: &RunDir, key: &Hash, config: &TrainConfig, overwrite: bool) -> Result<()> {
    // A run that failed before its first step has left nothing worth keeping.
    let begun = ["metrics.jsonl", "checkpoint.safetensors", "stages/fit.json", "stages/mean.json"]
        .iter()
        .any(|file| run.file(file).exists());
    let Ok(bytes) = std::fs::read(run.file("lock.json")) else { return Ok(()) };
    if !begun {
        return Ok(());
    }
    let same = serde_json::from_slice::<Lock>(&bytes).is_ok_and(|lock| lock.hashes.get("run") == Some(key));
    if same {
        return Ok(());
    }
    if overwrite {
        for file in [
            "lock.json",
            "metrics.jsonl",
            "vectors.jsonl",
            "pressure.jsonl",
            "checkpoint.safetensors",
            "stages/fit.json",
        ] {
            let _ = std::fs::remove_file(run.file(file));
        }
        Trackers::clear(run.path());
        let _ = std::fs::remove_dir_all(run.file("adapter"));
        return Ok(());
    }
    let old: toml::Table =
        std::fs::read_to_string(run.file("run.toml")).ok().and_then(|t| toml::from_str(&t).ok()).unwrap_or_default();
    let new = toml::Table::try_from(config).unwrap_or_default();
    let mut differ: Vec<&str> =
        old.keys().chain(new.keys()).filter(|k| old.get(*k) != new.get(*k)).map(String::as_str).collect();
    differ.sort_unstable();
    differ.dedup();
    let differ = if differ.is_empty() { "the data or the model's files".to_owned() } else { differ.join(", ") };
    Err(Error::usage(format!("{}: holds another run; it differs in {differ}", run.path().display()))
        .hint("give another --out, or --overwrite to throw that run away"))
}

/// Where the run's metrics go besides its folder.
fn tracking_of(config: &TrainConfig, run: &RunDir, key: &Hash, context: &Context<'_>) -> Tracking {
    let folder = run.path().canonicalize().unwrap_or_else(|_| run.path().to_owned());
    Tracking {
        trackers: config.track.clone().unwrap_or_default(),
        trackio: context.trackio.clone(),
        project: config.trackio_project.clone().unwrap_or_default(),
        // Another folder is another run, even of the same settings.
        id: Hash::of(&(key, &folder)).as_str()[..32].to_owned(),
        config: json!(config),
        folder,
    }
}

/// Runs the finetune, keeps its diary and shows how far it is.
fn fit(
    runtime: &dyn Runtime,
    spec: &FitSpec<'_>,
    tracking: Tracking,
    console: &dyn Console,
    total: usize,
) -> Result<(FitOutcome, TrainingLog)> {
    let mut diary = TrainingLog::new(tracking);
    let mut bar = console.bar("step", total);
    let outcome = runtime.fit(spec, &mut |event| {
        let heard = diary.hear(event);
        say::show(event, &diary, console, bar.as_mut());
        if console.interrupted() { ControlFlow::Break(()) } else { heard }
    })?;
    diary.close()?;
    Ok((outcome, diary))
}
