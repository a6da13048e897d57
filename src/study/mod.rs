//! Experiments of many arms as resumable run folders.

mod lab;

pub use lab::{FitOutcome, FitSpec, Lab, Start, SubjectSpec};
