//! Small files that say what a run is of, with a checksum of their own: what was damaged is told from what differs.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::atomic::write_atomic;
use super::hash::{Hash, hash_bytes};
use crate::{At, Result};

/// What stands where something was kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept<T> {
    /// Nothing.
    None,
    /// Something that was truncated or altered.
    Damaged,
    /// What was kept.
    Whole(T),
}

impl<T> Kept<T> {
    /// What was kept, if it is whole.
    pub fn whole(self) -> Option<T> {
        match self {
            Self::Whole(value) => Some(value),
            Self::None | Self::Damaged => None,
        }
    }

    fn read(path: &Path, of_text: impl FnOnce(&str) -> Option<T>) -> Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(of_text).map_or(Self::Damaged, Self::Whole)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::None),
            Err(e) => Err(e).at(path),
        }
    }
}

/// The key of a JSON object's checksum.
const SUM: &str = "sum";

/// A JSON object with its checksum under `sum`.
///
/// # Errors
/// If the value has no JSON form.
///
/// # Panics
/// If it is no object.
pub fn sealed<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Value> {
    // As it reads back: an f32 has other digits as an f64.
    let mut value: Value = serde_json::from_slice(&serde_json::to_vec(value)?)?;
    let sum = Hash::of(&value);
    value.as_object_mut().expect("an object is sealed").insert(SUM.to_owned(), serde_json::to_value(sum)?);
    Ok(value)
}

/// What was sealed; nothing if its checksum is not that of the rest. An object without one, of an earlier version, is taken as it is.
pub fn unsealed<T: DeserializeOwned>(mut value: Value) -> Option<T> {
    let sum = value.as_object_mut()?.remove(SUM);
    let sound = sum.is_none_or(|sum| sum.as_str() == Some(Hash::of(&value).as_str()));
    serde_json::from_value(value).ok().filter(|_| sound)
}

/// Writes a value as indented JSON with its checksum, atomically.
///
/// # Errors
/// As [`write_atomic`], or if the value has no JSON form.
pub fn write_sealed<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(&sealed(value).at(path)?).at(path)?;
    bytes.push(b'\n');
    write_atomic(path, &bytes)
}

/// Reads what [`write_sealed`] has written.
///
/// # Errors
/// A file that is there and cannot be read.
pub fn read_sealed<T: DeserializeOwned>(path: &Path) -> Result<Kept<T>> {
    Kept::read(path, |text| unsealed(serde_json::from_str(text).ok()?))
}

/// Before the checksum in a TOML file's last line.
const COMMENT: &str = "# BLAKE3 of what stands above: ";

/// Writes a value as TOML with its checksum in a comment, atomically.
///
/// # Errors
/// As [`write_atomic`], or if the value has no TOML form.
pub fn write_sealed_toml<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<()> {
    let text = toml::to_string_pretty(value).at(path)?;
    write_atomic(path, format!("{text}{COMMENT}{}\n", hash_bytes(text.as_bytes())).as_bytes())
}

/// Reads what [`write_sealed_toml`] has written; a file without the comment, of an earlier version, is taken as it is.
///
/// # Errors
/// A file that is there and cannot be read.
pub fn read_sealed_toml(path: &Path) -> Result<Kept<toml::Table>> {
    Kept::read(path, |text| {
        let table = text.parse().ok()?;
        match text.rsplit_once(COMMENT) {
            Some((above, sum)) => (sum.trim_end() == hash_bytes(above.as_bytes()).as_str()).then_some(table),
            None => Some(table),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_turned_bit_and_every_cut_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let value = BTreeMap::from([("seed".to_owned(), 4.5), ("other".to_owned(), 0.1f32)]);
        let (json, toml) = (dir.path().join("lock.json"), dir.path().join("run.toml"));
        write_sealed(&json, &value).unwrap();
        write_sealed_toml(&toml, &value).unwrap();
        let of_json = || read_sealed::<BTreeMap<String, f32>>(&json).unwrap();
        let of_toml = || read_sealed_toml(&toml).unwrap();
        assert_eq!(of_json(), Kept::Whole(value.clone()));
        let table = of_toml().whole().unwrap();
        assert_eq!(table["seed"].as_float(), Some(4.5));
        let whole = [&json, &toml].map(|path| fs::read(path).unwrap());
        for (path, whole) in [&json, &toml].into_iter().zip(&whole) {
            for at in 0..whole.len() {
                for mask in [1, 16] {
                    let mut bytes = whole.clone();
                    bytes[at] ^= mask;
                    fs::write(path, bytes).unwrap();
                    // A name that is no longer one takes the checksum's place, and white space is of no account: never another value.
                    assert!(of_json().whole().is_none_or(|found| found == value), "{at} {mask}");
                    assert!(of_toml().whole().is_none_or(|found| found == table), "{at} {mask}");
                }
            }
            fs::write(path, &whole[..whole.len() / 2]).unwrap();
        }
        assert_eq!((of_json(), of_toml()), (Kept::Damaged, Kept::Damaged));
        fs::remove_file(&json).unwrap();
        assert_eq!(of_json(), Kept::None);
        // Of an earlier version.
        fs::write(&json, "{\"seed\":4.5,\"other\":0.1}").unwrap();
        fs::write(&toml, "seed = 4.5\n").unwrap();
        assert!(of_json() == Kept::Whole(value) && of_toml().whole().is_some());
    }
}
