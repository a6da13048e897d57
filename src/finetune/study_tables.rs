//! The tables `[train]`, `[adapter]` and `[lessons]` of a study: the keys of `train` and their defaults, so that a `train.toml`
//! can be pasted under them.

use super::file::TrainFile;
use super::settings::AdapterSettings;
use crate::config_file::ConfigFile;
use crate::text::ExampleRules;
use crate::train::FitSettings;
use crate::{Error, Result};

/// How every finetune of a study goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StudyTables {
    /// `[train]`: how it learns; the seed is replaced by each of the training seeds.
    pub fit: FitSettings,
    /// `[adapter]`: the adapter's shape.
    pub shape: AdapterSettings,
    /// `[lessons]`: how a chat becomes a training example.
    pub rules: ExampleRules,
}

/// Two tables that may hold a part of the keys of `[train]`, for those who like it tidy.
const PARTS: [(&str, &[&str]); 2] = [
    ("adapter", &["r", "lora_alpha", "use_rslora", "target_modules"]),
    ("lessons", &["append_eos", "train_on_responses_only", "responses_only", "max_seq_length", "max_len"]),
];

impl StudyTables {
    /// Takes the three tables out of a study's configuration. `[train]` takes the keys of the other two as well.
    ///
    /// # Errors
    /// Unknown keys, values of another type or out of range, keys of `train` that have no meaning in a study or stand in the
    /// wrong table; each with its place.
    pub fn take(file: &mut ConfigFile) -> Result<Self> {
        let in_train = file.keys("train");
        let parts = PARTS.map(|(table, _)| file.keys(table));
        let [train, adapter, lessons]: [TrainFile; 3] =
            [file.take("train")?, file.take("adapter")?, file.take("lessons")?];
        for ((table, known), keys) in PARTS.iter().zip(&parts) {
            for key in keys {
                let refuse =
                    |why: &str, hint: &str| file.locate(Error::usage(format!("`{table}.{key}`: {why}")).hint(hint));
                if !known.contains(&key.as_str()) {
                    return Err(refuse(&format!("`[{table}]` takes {}", known.join(", ")), "write it under `[train]`"));
                }
                if in_train.contains(key) {
                    return Err(refuse("it stands in `[train]` too", "keep one of them"));
                }
            }
        }
        refuse_meaningless(&train).map_err(|e| file.locate(e))?;
        let whole = TrainFile {
            r: adapter.r.or(train.r),
            lora_alpha: adapter.lora_alpha.or(train.lora_alpha),
            use_rslora: adapter.use_rslora.or(train.use_rslora),
            target_modules: adapter.target_modules.or_else(|| train.target_modules.clone()),
            append_eos: lessons.append_eos.or(train.append_eos),
            train_on_responses_only: lessons.train_on_responses_only.or(train.train_on_responses_only),
            max_seq_length: lessons.max_seq_length.or(train.max_seq_length),
            ..train
        };
        let resolved = || Ok(Self { fit: whole.fit()?, shape: whole.shape()?, rules: whole.rules()? });
        resolved().map_err(|e| file.locate_within(&["train", "adapter", "lessons"], e))
    }
}

/// Keys of `train` that a study decides elsewhere.
fn refuse_meaningless(train: &TrainFile) -> Result<()> {
    let data = "a study learns from `facts` and `[[data]]`";
    let intervention = "what is done while the model learns is an arm: see `[arms]`, or `intervention` of an `[[arm]]`";
    let metrics = "the finetunes of a study write metrics.jsonl and TensorBoard's files";
    for (key, is_given, why) in [
        ("model", train.model.is_some(), "the study's own `model` counts; it stands above the tables"),
        ("adapter", train.adapter.is_some(), "every finetune of a study begins with a new adapter"),
        ("training_file", train.training_file.is_some(), data),
        ("test_file", train.test_file.is_some(), data),
        ("holdout", train.holdout.is_some_and(|share| share > 0.0), data),
        ("track", train.track.is_some(), metrics),
        ("trackio_project", train.trackio_project.is_some(), metrics),
        ("intervention", train.intervention.is_some(), intervention),
        ("steering_config", train.steering_config.is_some(), intervention),
        ("enable_steering_during_training", train.enable_steering_during_training == Some(true), intervention),
        ("watch", train.watch.is_some(), "a study has a table `[watch]` of its own"),
    ] {
        if is_given {
            return Err(Error::usage(format!("`train.{key}` has no meaning in a study")).hint(why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> Result<StudyTables> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        std::fs::write(&path, text).unwrap();
        StudyTables::take(&mut ConfigFile::read(&path).unwrap())
    }

    /// A configuration of `train`, without what a study decides itself.
    const PASTED: &str = "r = 8\nlora_alpha = 16\nuse_rslora = false\nlearning_rate = \"2*10**-4\"\nwarmup_steps = 3\n\
        per_device_train_batch_size = 4\ngradient_accumulation_steps = 2\nepochs = 2\nmax_steps = -1\nmax_seq_length = 99\n\
        train_on_responses_only = true\nappend_eos = false\noptim = \"adamw_8bit\"\nloss = \"sft\"\nholdout = false\nseed = 3\n";

    #[test]
    fn a_train_toml_pasted_under_the_table_gives_the_same_settings() {
        let pasted = take(&format!("[train]\n{PASTED}")).unwrap();
        let train: TrainFile = toml::from_str(PASTED).unwrap();
        let settings = TrainFile {
            model: Some("m".into()),
            training_file: Some(super::super::values::Files::One("d".into())),
            save_steps: None,
            ..train
        };
        let settings = settings.resolve().unwrap();
        assert_eq!((pasted.shape, pasted.rules), (settings.shape, settings.rules));
        assert_eq!(pasted.fit, FitSettings { save_steps: None, ..settings.fit });
        assert_eq!(take("").unwrap(), StudyTables::default());
    }

    #[test]
    fn parts_may_stand_in_tables_of_their_own_under_short_names_too() {
        let parts = "[adapter]\nr = 8\nlora_alpha = 16\nuse_rslora = false\n[lessons]\nmax_len = 99\nresponses_only = true\n\
            append_eos = false\n[train]\nlearning_rate = 2e-4\nwarmup_steps = 3\nmicro_batch = 4\naccumulation = 2\nepochs = 2\nseed = 3\n";
        assert_eq!(take(parts).unwrap(), take(&format!("[train]\n{PASTED}")).unwrap());
    }

    #[test]
    fn what_stands_in_the_wrong_place_is_explained() {
        for (text, want, hint) in [
            (
                "[train]\nmodel = \"m\"",
                "s.toml:2:1: `train.model` has no meaning in a study",
                "the study's own `model`",
            ),
            ("[train]\ntraining_file = \"m\"", "s.toml:2:1: `train.training_file` has no meaning", "`[[data]]`"),
            ("[train.intervention]\ntype = \"none\"", "`train.intervention` has no meaning", "`[[arm]]`"),
            (
                "[adapter]\nepochs = 1",
                "s.toml:2:1: `adapter.epochs`: `[adapter]` takes r, lora_alpha",
                "under `[train]`",
            ),
            ("[adapter]\nr = 1\n[train]\nr = 1", "s.toml:2:1: `adapter.r`: it stands in `[train]` too", "keep one"),
            ("[adapter]\nr = 0", "s.toml:2:1: `r` is 0", ""),
            ("[train]\nlearning_rat = 1.0", "s.toml:2:1: unknown key `train.learning_rat`", "`learning_rate`"),
            ("[lessons]\nmax_len = \"x\"", "s.toml:2:1: `lessons.max_len`: invalid type", ""),
        ] {
            let error = take(text).unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
            assert!(error.help().unwrap_or_default().contains(hint), "{error:?}");
        }
    }
}
