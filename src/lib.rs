//! Trimtab.

mod error;

pub use error::{At, Error, Kind, Result};
