//! Trimtab.

mod error;

pub mod cli;
pub mod eval;
pub mod generate;
pub mod harbor;
pub mod judge;
pub mod kernels;
pub mod lab;
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
pub mod verbs;

#[cfg(test)]
mod fakes;

pub use error::{At, Error, Kind, Result};
