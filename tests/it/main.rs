//! All integration tests, in one binary: one module per subject.

mod cli;
mod files;
mod generation;
mod goldens;
mod harbor;
mod house;
mod hub;
#[cfg(feature = "cpu")]
mod models;
mod parity;
mod persona;
mod study;
mod text;
