//! All integration tests, in one binary: one module per subject.

mod generation;
mod goldens;
mod parity;
mod text;
