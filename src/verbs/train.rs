//! `train`: a LoRA finetune with an intervention, as a run folder that survives any interruption.

mod say;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::model::ModelFolder;
use super::paths::of_config;
use super::run::{Progress, warn_of_damage};
use super::{Console, Context, Outcome};
use crate::config_file::ConfigFile;
use crate::finetune::{Adapter, Files, Finish, Fitted, Inputs, InterventionFile, InterventionType, Job, JobEvent};
use crate::finetune::{ModelFiles, Notice, Rate, Seeds, TrainFile, TrainSettings};
use crate::model::{AdapterFolder, model_hash};
use crate::record::{Hash, Kept, Lock, RunDir, Tracker, Trackers, Tracking, differing, hash_file, refuse_other};
use crate::runtime::device_kind;
use crate::text::{Tokenizer, unended_turns};
use crate::train::Recompute;
use crate::vector::Layers;
use crate::{Error, Result};

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
    /// Go on from this PEFT adapter: its folder, a run of `train`, or a checkpoint
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// The model: a folder in Hugging Face's layout, a GGUF file, a hub name (`owner/name`, `owner/name@revision`,
    /// `owner/name:FILE.gguf`), or `harbor`
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

pub fn run(args: &TrainArgs, context: &Context<'_>) -> Result<Outcome> {
    let console = context.console;
    let mut settings = settings(&args.config, context, |train, file| with_flags(args, train, file))?;
    let model = ModelFolder::find(&settings.model, context)?;
    unended_turns(&model.path)?.iter().for_each(|warning| console.warn(warning));
    let shape = settings.take_shape()?;
    if let Some(folder) = &settings.adapter {
        let stable = if shape.use_rslora { ", rank-stabilised" } else { "" };
        console.say(&format!("adapter: {} (r {}, alpha {}{stable})", folder.display(), shape.r, shape.lora_alpha));
    }
    let (tokenizer, fingerprint) = (Tokenizer::load(&model.path)?, model.fingerprint()?);
    let files = ModelFiles { path: &model.path, fingerprint: &fingerprint, tokenizer: &tokenizer };
    let Inputs { data, intervention, watch, notices } = Inputs::read(&settings, files)?;
    show_notices(&notices, console);

    let runtime = context.runtime(&model.path)?;
    let mut lock = Lock::new(runtime.device(), vec![settings.fit.seed]);
    lock.notes.insert("model".into(), format!("{} ({fingerprint})", model.called()));
    lock.notes.insert("tokenizer and template".into(), tokenizer.fingerprint().to_owned());
    lock.hashes.extend(data.files.iter().map(|(name, hash)| (format!("file {name}"), hash.clone())));
    if !intervention.fingerprints.is_empty() {
        lock.notes.insert("vectors".into(), intervention.fingerprints.join(", "));
    }
    if let Some(recompute) = &intervention.recompute {
        let what = format!("the steering vector is extracted anew from the weights every {} steps", recompute.every);
        lock.notes.insert("feedback loop".into(), what);
    }
    let adapter = match &settings.adapter {
        Some(folder) => {
            lock.hashes.insert("starting adapter".into(), AdapterFolder::find(folder)?.hash()?);
            Adapter::From(folder.clone())
        }
        None => Adapter::New(settings.shape.clone(), Some(model.base())),
    };
    let described = intervention.described.clone();
    let mut job = Job {
        model: &model.path,
        scope: Hash::of(&(model_hash(&model.path)?, device_kind(&lock.device))),
        adapter,
        chats: &data.chats,
        holdout: &data.holdout,
        rules: &settings.rules,
        fit: &settings.fit,
        seeds: Seeds::of_run(settings.fit.seed),
        intervention,
        watch,
        name: String::new(),
        tracking: Tracking::tensorboard(&args.out),
        keyed_checkpoint: false,
        lenient: true,
        begin: &|| Ok(()),
    };
    let key = job.key()?;
    lock.hashes.insert("data".into(), job.data());
    // `serve --runs` reads the number of steps from the folder to show progress.
    lock.notes.insert("steps".into(), settings.fit.steps(data.chats.len()).to_string());
    lock.hashes.insert("run".into(), key.clone());
    let run = RunDir::open(&args.out)?;
    claim(&run, &key, &settings, args.overwrite)?;
    let begin = || {
        run.write_config(&settings)?;
        run.write_lock(&lock)
    };
    // A finished run has nothing else to do.
    if run.lock()? == Kept::Damaged || run.config()? == Kept::Damaged {
        begin()?;
    }
    job.begin = &begin;
    job.tracking = tracking_of(&settings, &run, &key, context);
    let mut progress = Progress::new(console);
    let finish = job.run(&run, runtime.as_ref(), &mut |event| {
        show(event, console, &mut progress);
        if console.interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(progress);
    warn_of_damage(&run, console);
    match finish? {
        Finish::Interrupted(steps, total) => {
            let text = format!("interrupted after step {steps} of {total}; the same command goes on from there");
            let json = json!({ "out": args.out, "complete": false, "steps": steps, "total": total });
            Ok(Outcome::interrupted(text, json))
        }
        Finish::Fitted(fitted, reused) => {
            if reused.is_yes() {
                console.say("this run is finished already; nothing was done");
            }
            outcome(&args.out, &run.file("adapter"), &fitted, reused.is_yes(), &described)
        }
    }
}

/// Reads the configuration of a finetune; `change` puts flags before it.
pub(super) fn settings(
    path: &Path,
    context: &Context<'_>,
    change: impl FnOnce(&mut TrainFile, &mut ConfigFile) -> Result<()>,
) -> Result<TrainSettings> {
    let console = context.console;
    super::paths::file("CONFIG", path)?;
    let mut file = ConfigFile::read(path)?;
    let mut train: TrainFile = file.parse()?;
    show_notices(&train.take_reference().map_err(|e| file.locate(e))?, console);
    // A model may be a name instead of a folder, so not finding one is the model's own error.
    if let Some(model) = &mut train.model
        && let Ok(found) = of_config("model", model, path, console)
    {
        *model = found;
    }
    for (key, named) in train.paths() {
        *named = of_config(&key, named, path, console).map_err(|e| file.locate(e))?;
    }
    if let Some(seed) = context.seed {
        train.seed = Some(seed);
    }
    change(&mut train, &mut file)?;
    train.resolve().map_err(|e| file.locate(e))
}

fn with_flags(args: &TrainArgs, train: &mut TrainFile, file: &mut ConfigFile) -> Result<()> {
    let mut set = |key: &str, is_given: bool| {
        if is_given {
            file.overridden(key);
        }
        is_given
    };
    macro_rules! flag {
        ($key:ident, $value:expr) => {
            if let Some(value) = $value
                && set(stringify!($key), true)
            {
                train.$key = Some(value);
            }
        };
    }
    let rate = |words: &String| Rate::of_words(words).map_err(|e| Error::usage(format!("--learning-rate: {e}")));
    flag!(adapter, args.adapter.clone());
    flag!(model, args.model.clone());
    flag!(epochs, args.epochs);
    flag!(r, args.r);
    flag!(lora_alpha, args.lora_alpha);
    flag!(save_steps, args.save_steps);
    flag!(max_steps, args.max_steps.map(i64::from));
    flag!(learning_rate, args.learning_rate.as_ref().map(rate).transpose()?);
    flag!(recompute, args.recompute.then_some(Recompute::Always));
    flag!(training_file, (!args.training_file.is_empty()).then(|| Files::Many(args.training_file.clone())));
    flag!(track, trackers(&args.track)?);
    args.training_file.iter().try_for_each(|path| super::paths::file("--training-file", path))?;
    if args.vectors.is_none() && args.layers.is_none() && args.coef.is_none() {
        return Ok(());
    }
    let own = train.intervention.take().unwrap_or_default();
    train.intervention = Some(InterventionFile {
        kind: own.kind.filter(|kind| *kind != InterventionType::None).or(Some(InterventionType::Steer)),
        vectors: args.vectors.clone().map(Files::One).or(own.vectors),
        layers: args.layers.clone().or(own.layers),
        coef: args.coef.or(own.coef),
        ..own
    });
    Ok(())
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

pub(super) fn show_notices(notices: &[Notice], console: &dyn Console) {
    for notice in notices {
        match notice {
            Notice::Said(line) => console.say(line),
            Notice::Warned(line) => console.warn(line),
        }
    }
}

fn show(event: &JobEvent<'_>, console: &dyn Console, progress: &mut Progress<'_>) {
    match event {
        JobEvent::Began { examples, held_out, supervised, steps, left_out, template } => {
            const NAMED_MAX: usize = 5;
            if !left_out.is_empty() {
                let named = left_out.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
                let all = examples + held_out + left_out.len();
                console.warn(&format!("{} of {all} chats are left out: {named}", left_out.len()));
            }
            template.iter().for_each(|line| console.warn(line));
            console.say(&format!(
                "training: {examples} chats, {held_out} held out, {supervised} supervised tokens, {steps} steps"
            ));
        }
        JobEvent::ReadingMean(done, of) => progress.show("reading", *done, *of, &format!("of {of} texts")),
        JobEvent::Fit(event, log) => say::show(event, log, console, progress),
    }
}

fn outcome(out: &Path, adapter: &Path, fitted: &Fitted, reused: bool, intervention: &Value) -> Result<Outcome> {
    let Fitted { outcome, first, last, proofs, watched, .. } = fitted;
    let (first, last_loss) = (first.map(|report| report.loss), last.map(|report| report.loss));
    let (tokens, drift) = (last.map_or(0, |report| report.tokens), watched.drift.last().map(|(_, drift)| *drift));
    let number = |x: Option<f64>| x.map_or("?".to_owned(), |x| format!("{x:.4}"));
    let mut text = format!("{} steps, {tokens} tokens, loss {} -> {}", outcome.steps, number(first), number(last_loss));
    if let Some(loss) = outcome.holdout_loss {
        text += &format!(", held-out loss {loss:.4} (unsteered)");
    }
    if let Some(drift) = drift {
        text += &format!(", drift {drift:+.4}");
    }
    if outcome.stopped {
        text += ", stopped before its last step because the drift passed its limit";
    }
    text += &format!(": {}", adapter.display());
    let proof = if proofs.is_empty() { Value::Null } else { json!(proofs) };
    let json = json!({
        "out": out, "adapter": adapter, "adapter_hash": hash_file(&adapter.join("adapter_model.safetensors"))?,
        "complete": true, "steps": outcome.steps, "tokens": tokens, "first_loss": first, "last_loss": last_loss,
        "drift": drift, "stopped": outcome.stopped, "holdout_loss": outcome.holdout_loss, "reused": reused,
        "intervention": intervention, "proof": proof,
    });
    Ok(Outcome::new(text, json))
}

/// Takes the folder for this run: free, or of the same run, or to be thrown away.
fn claim(run: &RunDir, key: &Hash, settings: &TrainSettings, overwrite: bool) -> Result<()> {
    // A run that failed before its first step may be overwritten.
    let begun = ["metrics.jsonl", "checkpoint.safetensors", "stages/fit.json", "stages/mean.json"]
        .iter()
        .any(|file| run.file(file).exists());
    let (lock, old) = (run.lock()?, run.config()?);
    if !begun || lock == Kept::None {
        return Ok(());
    }
    let is_damaged = lock == Kept::Damaged;
    let new = toml::Table::try_from(settings).unwrap_or_default();
    let same = match (&lock, &old) {
        (Kept::Whole(lock), _) => lock.hashes.get("run") == Some(key),
        // A damaged lock says nothing of another run; what is reused, stage and checkpoint, has keys of its own.
        (_, Kept::Whole(old)) => differing(old, &new).is_empty(),
        (..) => false,
    };
    if is_damaged {
        run.note_damage_of_lock("written anew");
    }
    if old == Kept::Damaged {
        run.note_damage_of_config("written anew");
    }
    if same {
        return Ok(());
    }
    if overwrite {
        for file in [
            "lock.json",
            "metrics.jsonl",
            ".metrics.jsonl.sums",
            "vectors.jsonl",
            ".vectors.jsonl.sums",
            "pressure.jsonl",
            ".pressure.jsonl.sums",
            "checkpoint.safetensors",
            "stages/fit.json",
        ] {
            let _ = std::fs::remove_file(run.file(file));
        }
        Trackers::clear(run.path());
        let _ = std::fs::remove_dir_all(run.file("adapter"));
        return Ok(());
    }
    if is_damaged {
        let what = format!("{}: damaged, so that it does not say which run is here", run.file("lock.json").display());
        return Err(Error::new(what).hint("give another --out, or --overwrite to begin anew"));
    }
    let old = old.whole();
    let differ = match old.as_ref().map(|old| differing(old, &new)) {
        None => vec!["the settings, the data, the model's files or the device"],
        Some(none) if none.is_empty() => vec!["the data, the model's files or the device"],
        Some(some) => some,
    };
    refuse_other(run.path(), "another run", &differ, "--out")
}

/// Where the run's metrics go besides its folder.
fn tracking_of(settings: &TrainSettings, run: &RunDir, key: &Hash, context: &Context<'_>) -> Tracking {
    let folder = run.path().canonicalize().unwrap_or_else(|_| run.path().to_owned());
    Tracking {
        trackers: settings.track.clone(),
        trackio: context.trackio.clone(),
        project: settings.trackio_project.clone(),
        // Another folder is another run, even of the same settings.
        id: Hash::of(&(key, &folder)).as_str()[..32].to_owned(),
        config: json!(settings),
        folder,
    }
}
