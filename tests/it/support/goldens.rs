//! Golden numbers made with PyTorch, transformers and PEFT (see `tests/fixtures/README.md`), and the tiny models that they
//! were made with.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde_json::Value;
use trimtab::model::Architecture;

/// A tensor: its shape and its values, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden<T> {
    pub shape: Vec<usize>,
    pub values: Vec<T>,
}

/// A file or folder of `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The golden numbers of one architecture, and the tiny model and adapter that they were made with.
pub struct Goldens {
    /// The architecture.
    pub architecture: Architecture,
    /// Folder of the model.
    pub model: PathBuf,
    /// Folder of PEFT's adapter on it.
    pub adapter: PathBuf,
    tensors: Vec<u8>,
    json: Value,
}

impl Goldens {
    /// Those of that architecture. Qwen2's, which came first and are more than the others', lie beside the other folders.
    pub fn of(architecture: Architecture) -> &'static Self {
        static ALL: LazyLock<Vec<Goldens>> = LazyLock::new(|| Architecture::ALL.map(Goldens::read).into());
        ALL.iter().find(|goldens| goldens.architecture == architecture).unwrap()
    }

    /// Of every architecture.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        Architecture::ALL.into_iter().map(Self::of)
    }

    fn read(architecture: Architecture) -> Self {
        let (root, model) = match architecture {
            Architecture::Qwen2 => (fixture("."), "tiny"),
            other => (fixture(other.name()), "model"),
        };
        let file = |name: &str| std::fs::read(root.join(name)).unwrap();
        let json = serde_json::from_slice(&file("goldens.json")).unwrap();
        let tensors = file("goldens.safetensors");
        Self { architecture, model: root.join(model), adapter: root.join("adapter"), tensors, json }
    }

    /// The golden tensor of that name, in f32 as it is or widened from bf16.
    #[track_caller]
    pub fn floats(&self, name: &str) -> Golden<f32> {
        let (shape, dtype, bytes) = self.tensor(name);
        let values = match dtype {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
            // A bf16 is the upper half of an f32.
            Dtype::BF16 => bytes.chunks_exact(2).map(|b| f32::from_le_bytes([0, 0, b[0], b[1]])).collect(),
            other => panic!("golden `{name}` is {other:?}, not F32 or BF16"),
        };
        Golden { shape, values }
    }

    /// The golden f64 tensor of that name: learning rates.
    #[track_caller]
    pub fn doubles(&self, name: &str) -> Golden<f64> {
        let (shape, dtype, bytes) = self.tensor(name);
        assert_eq!(dtype, Dtype::F64, "golden `{name}`");
        Golden { shape, values: bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect() }
    }

    /// The golden i64 tensor of that name.
    #[track_caller]
    pub fn integers(&self, name: &str) -> Golden<i64> {
        let (shape, dtype, bytes) = self.tensor(name);
        assert_eq!(dtype, Dtype::I64, "golden `{name}`");
        Golden { shape, values: bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect() }
    }

    /// Whether there is a golden tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.tensors).unwrap().tensor(name).is_ok()
    }

    /// The names of all golden tensors.
    pub fn names(&self) -> Vec<String> {
        SafeTensors::deserialize(&self.tensors).unwrap().names().into_iter().map(str::to_owned).collect()
    }

    /// The value under a top-level key of `goldens.json`; keys hold dots, as in `sft.chats`.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self, key: &str) -> T {
        let value = self.json.get(key).unwrap_or_else(|| panic!("goldens.json has no `{key}`"));
        serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("goldens.json: `{key}`: {e}"))
    }

    #[track_caller]
    fn tensor(&self, name: &str) -> (Vec<usize>, Dtype, Vec<u8>) {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        let view = tensors.tensor(name).unwrap_or_else(|e| panic!("{}: {name}: {e}", self.architecture.name()));
        (view.shape().to_vec(), view.dtype(), view.data().to_vec())
    }
}

fn qwen2() -> &'static Goldens {
    Goldens::of(Architecture::Qwen2)
}

/// [`Goldens::floats`] of Qwen2's.
#[track_caller]
pub fn floats(name: &str) -> Golden<f32> {
    qwen2().floats(name)
}

/// The golden f32 tensor of that name in `interventions.safetensors`.
#[track_caller]
pub fn intervention(name: &str) -> Golden<f32> {
    let tensors = SafeTensors::deserialize(&INTERVENTIONS).unwrap();
    let view = tensors.tensor(name).unwrap_or_else(|e| panic!("interventions.safetensors: {name}: {e}"));
    assert_eq!(view.dtype(), Dtype::F32, "golden `{name}`");
    let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    Golden { shape: view.shape().to_vec(), values }
}

/// [`Goldens::doubles`] of Qwen2's.
#[track_caller]
pub fn doubles(name: &str) -> Golden<f64> {
    qwen2().doubles(name)
}

/// [`Goldens::integers`] of Qwen2's.
#[track_caller]
pub fn integers(name: &str) -> Golden<i64> {
    qwen2().integers(name)
}

/// [`Goldens::names`] of Qwen2's.
pub fn names() -> Vec<String> {
    qwen2().names()
}

/// [`Goldens::json`] of Qwen2's.
#[track_caller]
pub fn json<T: DeserializeOwned>(key: &str) -> T {
    qwen2().json(key)
}

/// Asserts that two slices agree to within `bound`, the largest absolute difference, and returns that difference.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], golden: &[f32], bound: f32) -> f32 {
    assert_eq!(found.len(), golden.len(), "{what}: number of values");
    let mut worst = 0.0_f32;
    for (i, (f, g)) in found.iter().zip(golden).enumerate() {
        let off = (f - g).abs();
        // Written so that NaN fails.
        assert!(off <= bound, "{what}: value {i} is {f}, golden {g}, off by {off:e}, allowed {bound:e}");
        worst = worst.max(off);
    }
    eprintln!("{what}: off by at most {worst:e}");
    worst
}

static INTERVENTIONS: LazyLock<Vec<u8>> =
    LazyLock::new(|| std::fs::read(fixture("interventions.safetensors")).unwrap());
