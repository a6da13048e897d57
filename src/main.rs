//! Trimtab.
fn main() {}
