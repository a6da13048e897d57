//! Vectors and steering as people write them: `evil=runs/evil.safetensors`, `evil=-1.5@20`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::Result;
use crate::vector::Layers;

/// A file of vectors and its name: `evil=runs/v.safetensors`, or the file alone, named by its stem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    pub name: String,
    pub path: PathBuf,
}

impl FromStr for NamedFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name holds no separator of folders, and folders may hold the sign: `runs/lr=1e-5/evil.safetensors`.
        let named = text.split_once('=').filter(|(name, _)| !name.contains(['/', std::path::MAIN_SEPARATOR]));
        let (name, path) = match named {
            Some((name, path)) => (name.trim().to_owned(), PathBuf::from(path)),
            None => {
                let path = PathBuf::from(text);
                (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)
            }
        };
        if name.is_empty() || path.as_os_str().is_empty() {
            return Err(format!("`{text}`: write FILE or NAME=FILE"));
        }
        Ok(Self { name, path })
    }
}

/// Steering along one vector: `evil.safetensors=-1.5@20`, that is the vector, its coefficient, and its layers (a number, `12,16` or
/// `all`).
#[derive(Debug, Clone, PartialEq)]
pub struct SteeringSpec {
    /// The file of the vector, or its name where vectors have names.
    pub vector: String,
    /// In multiples of the vector.
    pub coef: f32,
    /// Where; `all` adds the increments.
    pub layers: Layers,
}

impl FromStr for SteeringSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = || format!("`{text}` is no steering; write FILE=COEF@LAYER, e.g. evil.safetensors=-1.5@20");
        // From the right: a file's name may hold both signs.
        let (rest, layers) = text.rsplit_once('@').ok_or_else(whole)?;
        let (vector, coef) = rest.rsplit_once('=').ok_or_else(whole)?;
        let number = coef.trim().parse::<f32>().ok().filter(|coef| coef.is_finite());
        let coef = number.ok_or_else(|| format!("`{coef}` is no coefficient; write a number such as -1.5"))?;
        if vector.trim().is_empty() {
            return Err(whole());
        }
        Ok(Self { vector: vector.trim().to_owned(), coef, layers: layers.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_stem_unless_it_has_a_name() {
        let named = |text: &str| text.parse::<NamedFile>().map(|n| (n.name, n.path.display().to_string()));
        assert_eq!(named("runs/evil.safetensors").unwrap(), ("evil".into(), "runs/evil.safetensors".into()));
        assert_eq!(named("bad=runs/a=b.gguf").unwrap(), ("bad".into(), "runs/a=b.gguf".into()));
        assert_eq!(named("runs/lr=1e-5/evil.gguf").unwrap(), ("evil".into(), "runs/lr=1e-5/evil.gguf".into()));
        assert!(named("=x").is_err() && named("x=").is_err() && named("").is_err());
    }

    #[test]
    fn steering_is_written_in_one_word() {
        let layers = |text: &str| text.parse::<Layers>().unwrap();
        let written: SteeringSpec = "runs/a=b@2/evil.safetensors=-1.5@12,20".parse().unwrap();
        let want = SteeringSpec { vector: "runs/a=b@2/evil.safetensors".into(), coef: -1.5, layers: layers("12,20") };
        assert_eq!(written, want);
        assert_eq!("evil=2@all".parse::<SteeringSpec>().unwrap().layers, layers("all"));
        for bad in ["evil", "evil=1", "evil@3", "=1@3", "evil=much@3", "evil=inf@3", "evil=1@some"] {
            assert!(bad.parse::<SteeringSpec>().is_err(), "{bad}");
        }
    }
}
