//! Trimtab.

mod error;

pub mod cli;
pub mod kernels;
pub mod model;
pub mod record;
pub mod report;
pub mod stats;
pub mod steering;
pub mod study;
pub mod subject;
pub mod tensorfile;
pub mod text;
pub mod train;
pub mod vector;
pub mod verbs;

pub use error::{At, Error, Kind, Result};
