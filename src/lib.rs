//! Trimtab.

mod error;
pub mod harbor;

pub use error::{At, Error, Kind, Result};
