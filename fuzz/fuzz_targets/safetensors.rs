//! A safetensors file: header, then every tensor's bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::tensorfile::TensorFile;

#[path = "../place.rs"]
mod place;

fuzz_target!(init: place::contain_panics(), |bytes: &[u8]| {
    let path = place::file("x.safetensors", bytes);
    let Ok(file) = TensorFile::open(&path) else { return };
    for name in file.names() {
        let shape = file.shape(&name).map(<[usize]>::to_vec).unwrap_or_default();
        let _ = (file.raw(&name), file.f32(&name, &shape));
    }
    let _ = file.metadata();
});
