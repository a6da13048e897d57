//! A live session with a model: steering that changes from turn to turn. `chat` and `serve` share it; it knows neither a terminal
//! nor HTTP.
//!
//! ```text
//! NamedFile ─▶ VectorSet ─ resolve(SteeringRequest) ─▶ ActiveSteering ─▶ Turn ─▶ LiveModel ─▶ answers
//!                                                                          └── Conversation, with a Probe
//! ```

mod conversation;
mod live_model;
mod probe;
mod spec;
mod vectors;

pub use conversation::{AnswerSink, Conversation};
pub use live_model::{LiveBatch, LiveModel, Turn};
pub use probe::{ProbePlace, ProbeScale};
pub use spec::{NamedFile, SteeringSpec};
pub use vectors::{ActiveSteering, SteeringRequest, VectorSet};
