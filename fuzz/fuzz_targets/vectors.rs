//! A `.pt` file: the zip archive, the pickle in it, the storages.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::vector::VectorFile;

#[path = "../place.rs"]
mod place;

fuzz_target!(init: place::contain_panics(), |bytes: &[u8]| {
    let _ = VectorFile::read(&place::file("x.pt", &[b"PK\x03\x04", bytes].concat()));
});
