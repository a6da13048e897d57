//! A GGUF file: its metadata and every tensor, then as a control vector.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::vector::VectorFile;

#[path = "../place.rs"]
mod place;

fuzz_target!(init: place::contain_panics(), |bytes: &[u8]| {
    // Everything behind the magic number, which a fuzzer would have to guess first.
    let _ = VectorFile::read(&place::file("x.gguf", &[b"GGUF", bytes].concat()));
});
