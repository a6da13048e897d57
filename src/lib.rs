//! Trimtab.

mod error;

pub mod eval;
pub mod harbor;
pub mod judge;
pub mod kernels;
pub mod model;
pub mod persona;
pub mod record;
pub mod report;
pub mod sheet;
pub mod stats;
pub mod steering;
pub mod study;
pub mod subject;
pub mod tensorfile;
pub mod text;
pub mod train;
pub mod vector;

#[cfg(test)]
mod fakes;

pub use error::{At, Error, Kind, Result};
