//! All integration tests, in one binary: one module per subject.

mod cli;
mod evaluation;
mod files;
mod generation;
mod goldens;
mod harbor;
mod house;
mod parity;
mod persona;
mod study;
mod text;
mod vectors;
