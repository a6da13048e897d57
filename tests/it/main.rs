//! All integration tests, in one binary: one module per subject.

mod cli;
mod extract;
mod faults;
mod files;
mod generation;
mod goldens;
mod harbor;
mod house;
mod judges;
mod parity;
mod persona;
mod screening;
mod study;
mod text;
