//! All integration tests, in one binary: one module per subject.

mod files;
mod goldens;
mod parity;
mod persona;
mod study;
mod text;
