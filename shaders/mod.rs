//! The GPU's kernels, in Rust that CubeCL compiles for the device at hand: WGSL, SPIR-V, Metal, CUDA or HIP.
//!
//! One file per family. A file has its kernels and, for each, a function that launches it on contiguous tensors and knows
//! nothing of the model: `src/kernels/cube.rs` calls these behind the trait `FusedOps`, whose bodies in plain tensor code are
//! what every kernel is tested against. Sums are in f32 whatever the weights' dtype is.

pub mod attention;
pub mod attention_backward;
pub mod attention_tiles;
pub mod cache;
pub mod common;
pub mod decode;
pub mod halves;
pub mod loss;
pub mod norm;
pub mod optimiser;
pub mod product;
pub mod rope;
pub mod sample;
pub mod swiglu;
pub mod thin;

/// A name for these kernels as they are: what was compiled of others is of no use, and CubeCL keeps it by their names alone.
pub fn version() -> String {
    let sources: [&str; 16] = [
        include_str!("mod.rs"),
        include_str!("attention.rs"),
        include_str!("attention_backward.rs"),
        include_str!("attention_tiles.rs"),
        include_str!("cache.rs"),
        include_str!("common.rs"),
        include_str!("decode.rs"),
        include_str!("halves.rs"),
        include_str!("loss.rs"),
        include_str!("norm.rs"),
        include_str!("optimiser.rs"),
        include_str!("product.rs"),
        include_str!("rope.rs"),
        include_str!("sample.rs"),
        include_str!("swiglu.rs"),
        include_str!("thin.rs"),
    ];
    blake3::hash(sources.concat().as_bytes()).to_hex()[..16].to_owned()
}
