//! The GPU's kernels against plain tensor code on the CPU, and how many each operation launches.

mod attention;
mod flat;
mod launches;
mod projections;
mod rows;
mod support;
