//! Model folders and adapters as Hugging Face's tools write them, whole and broken.

mod adapters;
mod models;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use trimtab::model::files::{Shards, write_model};
use trimtab::model::peft::{Adapter, AdapterConfig, Targets};
use trimtab::model::{ModelConfig, released, shapes};
use trimtab::tensorfile::Dtype;
use trimtab::{Error, Result};

use crate::support::goldens::{doubles, fixture, floats, integers, json as golden, names};

/// The error's text, with the folder's path shortened.
fn told<T: std::fmt::Debug>(result: Result<T>, dir: &Path) -> String {
    result.unwrap_err().to_string().replace(&dir.display().to_string(), "DIR")
}

/// A folder of our own with copies of a fixture's files.
fn copy_of(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn tiny() -> ModelConfig {
    ModelConfig::read(&fixture("tiny")).unwrap()
}

#[test]
fn every_described_tensor_is_there_in_its_shape() {
    let described: serde_json::Map<String, Value> = golden("tensors");
    assert_eq!(names().len(), described.len());
    for (name, about) in described {
        let shape = match about["dtype"].as_str() {
            Some("int64") => integers(&name).shape,
            Some("float64") => doubles(&name).shape,
            _ => floats(&name).shape,
        };
        assert_eq!(json!(shape), about["shape"], "{name}");
    }
}
