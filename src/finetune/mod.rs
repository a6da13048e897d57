//! The one finetune job: what a file says → settings → data, start, intervention, watch and seeds → a keyed stage → an adapter and
//! its log. `train` and every arm of a study go through it.

mod data;
mod file;
mod inputs;
mod intervention;
mod job;
mod notice;
mod resolve;
mod seeds;
mod settings;
mod study_tables;
mod values;
mod watch;

pub use data::{SourcedChat, TrainingData, examples, read_sourced, template_notices, treated};
pub use file::{AblateTo, InterventionFile, InterventionType, TrainFile, WatchFile};
pub use inputs::{Inputs, ModelFiles, fixed_texts, recompute_texts, trait_of};
pub use intervention::{GivenVector, ResolvedIntervention};
pub use job::{Adapter, Finish, Fitted, Job, JobEvent};
pub use notice::Notice;
pub use seeds::Seeds;
pub use settings::{
    AdapterSettings, DataSettings, Intervention, RecomputeSettings, SteeringSettings, TrainSettings, WatchSettings,
};
pub use study_tables::StudyTables;
pub use values::{Files, Rate};
pub use watch::{Watch, answer_of};
