//! All integration tests, in one binary: one module per subject.

mod cli;
mod files;
mod generation;
mod goldens;
mod harbor;
mod house;
mod parity;
mod persona;
mod serving;
mod study;
mod text;
