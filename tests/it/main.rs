//! All integration tests, in one binary: one module per subject.

#[macro_use]
mod support;

#[cfg(feature = "cpu")]
mod adapters;
mod cli;
mod comparing;
#[cfg(all(unix, feature = "cuda"))]
mod cuda;
#[cfg(feature = "cpu")]
mod data;
#[cfg(feature = "cpu")]
mod dtypes;
mod evaluation;
mod extract;
mod files;
mod finetune;
#[cfg(feature = "cpu")]
mod generation;
#[cfg(feature = "cpu")]
mod gguf;
mod guide;
mod harbor;
#[cfg(feature = "cpu")]
mod headline;
mod house;
mod hub;
mod interventions;
mod judges;
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
mod launches;
mod layers;
#[cfg(feature = "cpu")]
mod models;
#[cfg(all(unix, feature = "cpu"))]
mod outputs;
mod page;
mod parity;
mod persona;
mod planning;
#[cfg(feature = "cpu")]
mod pressure;
mod screening;
mod serving;
mod shaders;
#[cfg(feature = "cpu")]
mod siege;
#[cfg(unix)]
mod slurm;
mod smollm2;
#[cfg(feature = "cpu")]
mod strangers;
mod study;
mod text;
mod training;
mod vectors;
mod watching;
