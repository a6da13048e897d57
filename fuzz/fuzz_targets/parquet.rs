//! Multiple-choice questions in parquet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab::eval::mmlu::{self, Split};

#[path = "../place.rs"]
mod place;

fuzz_target!(init: place::contain_panics(), |bytes: &[u8]| {
    let path = place::file("all/validation-00000-of-00001.parquet", bytes);
    let _ = mmlu::read(path.ancestors().nth(2).expect("a folder in a folder"), Split::Val);
});
