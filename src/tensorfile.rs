//! One safetensors file: opened with every fault named, written whole or not at all.
//!
//! The format: eight bytes with the header's length, a JSON header that gives each tensor's dtype, shape and place, and the
//! tensors' bytes. We write the header ourselves because the crate orders metadata by a random hash, and equal content
//! should give equal bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::{Metadata, SafeTensorError, SafeTensors, TensorInfo};

pub use safetensors::Dtype;

use crate::record::{is_lfs_pointer, lfs_pointer, write_atomic_by, write_atomic_with};
use crate::{At, Error, Result, bail, ensure};

/// A safetensors file, mapped into memory: a tensor's bytes are read from disk when they are asked for.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    map: Mmap,
    header: Metadata,
    data_at: usize,
}

impl TensorFile {
    /// Maps a file and checks its header: every tensor lies within the file, none overlap, nothing is left over.
    ///
    /// The file must not be changed while it is open; [`write()`] never does so, since it replaces files instead.
    pub fn open(path: &Path) -> Result<Self> {
        // Asked before it is opened, since a pipe may never open.
        let about = std::fs::metadata(path).at(path)?;
        ensure!(about.is_file(), "{}: is a folder, a device, a pipe or a socket, not a file", path.display());
        ensure!(about.len() > 0, "{}: the file is empty", path.display());
        let file = File::open(path).at(path)?;
        // SAFETY: the mapping is read-only, and like every reader of weights, we rely on the file not being truncated meanwhile.
        let map = unsafe { Mmap::map(&file) }.at(path)?;
        if is_lfs_pointer(&map) {
            return Err(lfs_pointer(path));
        }
        let (header_len, header) = SafeTensors::read_metadata(&map).map_err(|e| {
            Error::new(format!("{}: {}", path.display(), fault(&map, &e))).hint("fetch or write the file again")
        })?;
        Ok(Self { path: path.to_owned(), map, header, data_at: 8 + header_len })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort();
        names
    }

    /// The file's string metadata.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        self.header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// A tensor's shape, if the file has it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| info.shape.as_slice())
    }

    /// A tensor's dtype, shape and little-endian bytes.
    pub fn raw(&self, name: &str) -> Result<(Dtype, &[usize], &[u8])> {
        let TensorInfo { dtype, shape, data_offsets: (start, end) } = self.info(name)?;
        Ok((*dtype, shape, &self.map[self.data_at + start..self.data_at + end]))
    }

    /// A tensor's values in f32, row after row; it must have the given shape and be F32, F16 or BF16.
    pub fn f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (dtype, found, bytes) = self.raw(name)?;
        if found != shape {
            bail!("{}: tensor `{name}` has shape {found:?}, expected {shape:?}", self.path.display());
        }
        match widen(dtype, bytes) {
            Some(values) => Ok(values),
            None => bail!("{}: tensor `{name}` has dtype {dtype:?}, expected F32, F16 or BF16", self.path.display()),
        }
    }

    /// Lets go of the memory in which a tensor is mapped: a process that reads a model once should not count as holding
    /// both the file and what it made of it. Asked for again, the bytes are read again.
    pub fn release(&self, name: &str) {
        #[cfg(unix)]
        if let Ok(TensorInfo { data_offsets: (start, end), .. }) = self.info(name) {
            // SAFETY: the mapping is of a file and read-only, so its pages come back with the same contents.
            let _ = unsafe {
                self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, self.data_at + start, end - start)
            };
        }
        #[cfg(not(unix))]
        let _ = name;
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.header.info(name).ok_or_else(|| Error::new(format!("{}: tensor `{name}` is missing", self.path.display())))
    }
}

/// Writes a safetensors file of float tensors in one dtype, atomically; the order of `tensors` is the file's.
///
/// `values` gives each tensor's values in f32, row after row, when its turn comes, so that a large model is never in memory
/// as a whole. Values are rounded to nearest even; one that F16 cannot hold is an error.
pub fn write(
    path: &Path,
    dtype: Dtype,
    tensors: &[(String, Vec<usize>)],
    metadata: &BTreeMap<String, String>,
    mut values: impl FnMut(&str) -> Result<Vec<f32>>,
) -> Result<()> {
    let header = header(path, dtype, tensors, metadata)?;
    // `write_atomic_with` knows only errors of the file itself; one of ours stops the writing and is told instead.
    let mut failure = None;
    let written = write_atomic_with(path, |out| {
        out.write_all(&header)?;
        for (name, shape) in tensors {
            let bytes = values(name).and_then(|values| {
                let (found, expected) = (values.len(), shape.iter().product::<usize>());
                assert_eq!(found, expected, "tensor `{name}` of shape {shape:?} is given {found} values");
                narrow(dtype, &values)
                    .ok_or_else(|| Error::new(format!("{}: tensor `{name}` has values beyond F16", path.display())))
            });
            match bytes {
                Ok(bytes) => out.write_all(&bytes)?,
                Err(e) => {
                    failure = Some(e);
                    return Err(std::io::Error::other("stopped"));
                }
            }
        }
        Ok(())
    });
    written.map_err(|e| failure.unwrap_or(e))
}

/// A tensor of a file that is to be written: name, dtype (F32, F16 or BF16), shape.
pub type Planned = (String, Dtype, Vec<usize>);

/// Writes a safetensors file whose tensors may differ in dtype, atomically and in the order of `tensors`. `pour` writes each
/// tensor's little-endian bytes when its turn comes, in as many pieces as it likes.
///
/// # Errors
/// Those of `pour` and of the disk; the old file stays.
///
/// # Panics
/// If `pour` writes more or fewer bytes than the shape takes.
pub fn write_poured(
    path: &Path,
    tensors: &[Planned],
    metadata: &BTreeMap<String, String>,
    mut pour: impl FnMut(&str, &mut dyn Write) -> Result<()>,
) -> Result<()> {
    let header = mixed_header(path, tensors.iter().map(|(name, dtype, shape)| (name, *dtype, shape)), metadata)?;
    write_atomic_by(path, |out| {
        out.write_all(&header).at(path)?;
        for (name, dtype, shape) in tensors {
            let mut counted = Counted { out, bytes: 0 };
            pour(name, &mut counted)?;
            let due = shape.iter().product::<usize>() * width(path, *dtype)?;
            assert_eq!(counted.bytes, due, "tensor `{name}` of shape {shape:?}");
        }
        Ok(())
    })
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a mut dyn Write,
    bytes: usize,
}

impl Write for Counted<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = self.out.write(piece)?;
        self.bytes += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The beginning of a safetensors file, up to the tensors' bytes, which follow in the order of `tensors`. `path` is for errors.
pub(crate) fn header(
    path: &Path,
    dtype: Dtype,
    tensors: &[(String, Vec<usize>)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    mixed_header(path, tensors.iter().map(|(name, shape)| (name, dtype, shape)), metadata)
}

/// A dtype's name as people write it: `bf16`.
pub fn dtype_name(dtype: Dtype) -> String {
    format!("{dtype:?}").to_lowercase()
}

/// Bytes of one value.
fn width(path: &Path, dtype: Dtype) -> Result<usize> {
    match dtype {
        Dtype::F32 => Ok(4),
        Dtype::F16 | Dtype::BF16 => Ok(2),
        other => bail!("{}: cannot write dtype {other:?}", path.display()),
    }
}

fn mixed_header<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a String, Dtype, &'a Vec<usize>)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".into(), serde_json::json!(metadata));
    }
    let mut end = 0;
    for (name, dtype, shape) in tensors {
        let start = end;
        end += width(path, dtype)? * shape.iter().product::<usize>();
        let info = serde_json::json!({"dtype": format!("{dtype:?}"), "shape": shape, "data_offsets": [start, end]});
        let twin = header.insert(name.clone(), info);
        ensure!(twin.is_none(), "{}: tensor `{name}` is given twice", path.display());
    }
    let mut header = serde_json::to_string(&header).expect("a JSON value can be written");
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok([&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat())
}

/// The bytes as f32, or nothing if they are no floats.
pub fn widen(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let halves = || bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    Some(match dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => halves().map(|b| f16::from_bits(b).to_f32()).collect(),
        Dtype::BF16 => halves().map(|b| bf16::from_bits(b).to_f32()).collect(),
        _ => return None,
    })
}

/// The transpose of a matrix that lies row after row.
pub fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
}

/// The values as little-endian bytes, rounded to nearest even, or nothing if a finite one became infinite.
pub fn narrow(dtype: Dtype, values: &[f32]) -> Option<Vec<u8>> {
    match dtype {
        Dtype::BF16 => Some(values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect()),
        Dtype::F16 => {
            let halves = values.iter().map(|&v| Some(f16::from_f32(v)).filter(|h| h.is_finite() || !v.is_finite()));
            let halves: Option<Vec<f16>> = halves.collect();
            Some(halves?.into_iter().flat_map(f16::to_le_bytes).collect())
        }
        _ => Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
    }
}

/// What is wrong with a file that the safetensors crate refuses.
fn fault(bytes: &[u8], e: &SafeTensorError) -> String {
    let len = bytes.len();
    let header_len = bytes.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first));
    match e {
        SafeTensorError::HeaderTooSmall => format!("truncated: {len} bytes are too few for a safetensors file"),
        SafeTensorError::InvalidHeaderLength => {
            format!(
                "truncated, or not a safetensors file: its header should have {header_len} bytes, the file has {len}"
            )
        }
        SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeader(_) => "not a safetensors file".into(),
        SafeTensorError::InvalidHeaderDeserialization(e) => format!("corrupt safetensors header: {e}"),
        SafeTensorError::MetadataIncompleteBuffer => {
            let promised = 8 + header_len + promised_data(&bytes[8..8 + header_len as usize]);
            let what = if promised > len as u64 { "truncated" } else { "too long" };
            format!("{what}: its header promises {promised} bytes, the file has {len}")
        }
        other => format!("corrupt safetensors header: {other}"),
    }
}

/// The end of the last tensor, by the header.
fn promised_data(header: &[u8]) -> u64 {
    let header: serde_json::Value = serde_json::from_slice(header).unwrap_or_default();
    let ends = header.as_object().into_iter().flatten().filter_map(|(_, info)| info["data_offsets"][1].as_u64());
    ends.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn sample(path: &Path, dtype: Dtype) -> Result<()> {
        let tensors = [("b".to_owned(), vec![2, 2]), ("a".to_owned(), vec![3])];
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        write(path, dtype, &tensors, &metadata, |name| {
            Ok(if name == "a" { vec![1.0, -2.5, 0.1] } else { vec![0.0, 1.0, 2.0, 3.0] })
        })
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = folder();
        for (dtype, tenth) in [(Dtype::F32, 0.1), (Dtype::BF16, 0.100_097_656), (Dtype::F16, 0.099_975_586)] {
            let path = dir.path().join("x.safetensors");
            sample(&path, dtype).unwrap();
            let file = TensorFile::open(&path).unwrap();
            assert_eq!(file.names(), ["a", "b"]);
            assert_eq!(file.metadata()["format"], "pt");
            assert_eq!(file.f32("a", &[3]).unwrap(), [1.0, -2.5, tenth]);
            assert_eq!(file.f32("b", &[2, 2]).unwrap(), [0.0, 1.0, 2.0, 3.0]);
            assert_eq!(file.raw("b").unwrap().0, dtype);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside the file");
    }

    #[test]
    fn a_tensor_that_is_not_as_expected_is_named() {
        let dir = folder();
        let path = dir.path().join("x.safetensors");
        sample(&path, Dtype::F32).unwrap();
        let file = TensorFile::open(&path).unwrap();
        let told = |r: Result<Vec<f32>>| r.unwrap_err().to_string().replace(&path.display().to_string(), "FILE");
        assert_eq!(told(file.f32("a", &[4])), "FILE: tensor `a` has shape [3], expected [4]");
        assert_eq!(told(file.f32("c", &[4])), "FILE: tensor `c` is missing");
    }

    #[test]
    fn broken_files_are_told_apart() {
        let dir = folder();
        let path = dir.path().join("x.safetensors");
        sample(&path, Dtype::F32).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let check = |bytes: &[u8], want: &str| {
            std::fs::write(&path, bytes).unwrap();
            let e = TensorFile::open(&path).unwrap_err().to_string();
            assert!(e.starts_with(&format!("{}: {want}", path.display())), "{e}");
        };
        check(&[], "the file is empty");
        check(&whole[..5], "truncated: 5 bytes are too few");
        check(&whole[..40], "truncated, or not a safetensors file");
        check(&whole[..whole.len() - 1], &format!("truncated: its header promises {} bytes", whole.len()));
        check(&[&whole[..], b"x"].concat(), "too long: its header promises");
        check(b"PK\x03\x04 a zip archive that goes on", "not a safetensors file");
        let mut garbled = whole.clone();
        garbled[8] = b'[';
        check(&garbled, "corrupt safetensors header");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = folder();
        let path = dir.path().join("x.safetensors");
        sample(&path, Dtype::F32).unwrap();
        let before = std::fs::read(&path).unwrap();
        let tensors = [("a".to_owned(), vec![1])];
        let broken = write(&path, Dtype::F32, &tensors, &BTreeMap::new(), |_| bail!("the device is gone"));
        assert_eq!(broken.unwrap_err().to_string(), "the device is gone");
        let too_big = write(&path, Dtype::F16, &tensors, &BTreeMap::new(), |_| Ok(vec![1e6]));
        assert!(too_big.unwrap_err().to_string().ends_with("tensor `a` has values beyond F16"));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(&dir.path().join("no/x"), Dtype::F32, &tensors, &BTreeMap::new(), |_| Ok(vec![1.0])).is_err());
    }
}
