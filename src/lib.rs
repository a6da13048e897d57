//! Trimtab.

mod error;
pub mod harbor;

pub mod eval;
pub mod judge;
pub mod persona;
pub mod record;
pub mod report;
pub mod sheet;
pub mod stats;
pub mod steering;
pub mod subject;
pub mod tensorfile;
pub mod text;
pub mod vector;

#[cfg(test)]
mod fakes;

pub use error::{At, Error, Kind, Result};
