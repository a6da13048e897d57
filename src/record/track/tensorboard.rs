//! TensorBoard's event files: records `length u64, masked crc32c of it, protobuf, masked crc32c of that` (TFRecord), all
//! little-endian; each record an `Event` (tensorflow/core/util/event.proto), of which four fields are used:
//! `wall_time = 1 (double)`, `step = 2 (int64)`, `file_version = 3 (string)`, `summary = 5`, whose `value = 1` has `tag = 1`
//! and `simple_value = 2 (float)`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::record::atomic::{entries_of, write_atomic};
use crate::{At, Result};

/// The end of our files' names, by which a resumed run knows its own.
const OURS: &str = ".trimtab";

/// A run's event file, open at its end.
#[derive(Debug)]
pub(super) struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Opens the run's event file, or begins one; whatever comes after step `after`, or is torn, is dropped.
    pub(super) fn open(folder: &Path, after: usize) -> Result<Self> {
        let path =
            existing(folder)?.unwrap_or_else(|| folder.join(format!("events.out.tfevents.{:.0}{OURS}", now().floor())));
        let old = if path.exists() { fs::read(&path).at(&path)? } else { Vec::new() };
        let kept: Vec<u8> = match after {
            0 => Vec::new(),
            _ => Records(&old)
                .filter(|(_, event)| step_of(event) <= after as u64)
                .flat_map(|(whole, _)| whole)
                .copied()
                .collect(),
        };
        let kept = if kept.is_empty() { record(&version()) } else { kept };
        if kept != old {
            write_atomic(&path, &kept)?;
        }
        let file = OpenOptions::new().append(true).open(&path).at(&path)?;
        Ok(Self { file, path })
    }

    /// Appends a step's numbers, in one write.
    pub(super) fn write(&mut self, step: usize, scalars: &[(String, f64)]) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, number) in scalars {
            let mut value = Vec::new();
            bytes(&mut value, 1, tag.as_bytes());
            value.push(2 << 3 | FIXED32);
            value.extend((*number as f32).to_le_bytes());
            bytes(&mut summary, 1, &value);
        }
        let mut event = timed();
        event.push(2 << 3 | VARINT);
        varint(&mut event, step as u64);
        bytes(&mut event, 5, &summary);
        self.file.write_all(&record(&event)).at(&self.path)
    }
}

/// The event file of a folder's run, if it has one of ours.
pub(super) fn existing(folder: &Path) -> Result<Option<PathBuf>> {
    let mut found = entries_of(folder)?;
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("events.out.tfevents.") && name.ends_with(OURS)
    });
    Ok(found.pop())
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

// Protocol buffers' wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

fn varint(into: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        into.push(n as u8 | 0x80);
        n >>= 7;
    }
    into.push(n as u8);
}

fn bytes(into: &mut Vec<u8>, field: u8, content: &[u8]) {
    into.push(field << 3 | BYTES);
    varint(into, content.len() as u64);
    into.extend(content);
}

/// An event with its time.
fn timed() -> Vec<u8> {
    let mut event = vec![1 << 3 | FIXED64];
    event.extend(now().to_le_bytes());
    event
}

/// The event that every file begins with.
fn version() -> Vec<u8> {
    let mut event = timed();
    bytes(&mut event, 3, b"brain.Event:2");
    event
}

/// An event in its frame.
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked_crc(event).to_le_bytes());
    record
}

/// The whole records of a file, each with its event; ends where one is torn.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = u64::from_le_bytes(self.0.get(..8)?.try_into().ok()?);
        let whole = self.0.get(..usize::try_from(length).ok()?.checked_add(16)?)?;
        let event = &whole[12..whole.len() - 4];
        let sound = |crc: &[u8], of: &[u8]| crc == masked_crc(of).to_le_bytes();
        if !sound(&whole[8..12], &whole[..8]) || !sound(&whole[whole.len() - 4..], event) {
            return None;
        }
        self.0 = &self.0[whole.len()..];
        Some((whole, event))
    }
}

/// The step of an event of ours: the field after the time; 0 where there is none.
fn step_of(event: &[u8]) -> u64 {
    let Some((tag, rest)) = event.get(9..).and_then(<[u8]>::split_first) else { return 0 };
    if *tag != 2 << 3 | VARINT {
        return 0;
    }
    let length = rest.iter().position(|byte| byte & 0x80 == 0).map_or(0, |last| last + 1);
    rest[..length].iter().rev().fold(0, |step, byte| step << 7 | u64::from(byte & 0x7f))
}

/// CRC-32C (Castagnoli) as TFRecord masks it, since a checksum of data that holds checksums is weak.
fn masked_crc(data: &[u8]) -> u32 {
    let crc = !data.iter().fold(!0u32, |crc, byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)]);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // RFC 3720, B.4, unmasked: 32 zeros, and 0 to 31.
        let unmasked = |data: &[u8]| masked_crc(data).wrapping_sub(0xa282_ead8).rotate_left(15);
        assert_eq!(unmasked(&[0; 32]), 0x8a91_36aa);
        assert_eq!(unmasked(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    fn steps(folder: &Path) -> Vec<u64> {
        let file = fs::read(existing(folder).unwrap().unwrap()).unwrap();
        Records(&file).map(|(_, event)| step_of(event)).collect()
    }

    #[test]
    fn a_resumed_file_has_every_step_once() {
        let dir = tempfile::tempdir().unwrap();
        let scalars = [("loss".to_owned(), 0.25), ("lr".to_owned(), 1e-5)];
        let mut file = EventFile::open(dir.path(), 0).unwrap();
        for step in [1, 2, 300, 301] {
            file.write(step, &scalars).unwrap();
        }
        assert_eq!(steps(dir.path()), [0, 1, 2, 300, 301], "the first record is the version");
        // A kill tears the last record.
        let path = existing(dir.path()).unwrap().unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(steps(dir.path()), [0, 1, 2, 300]);
        let mut file = EventFile::open(dir.path(), 2).unwrap();
        file.write(3, &scalars).unwrap();
        assert_eq!(steps(dir.path()), [0, 1, 2, 3]);
        // Begun anew.
        EventFile::open(dir.path(), 0).unwrap();
        assert_eq!(steps(dir.path()), [0]);
    }

    #[test]
    fn an_event_is_what_tensorflow_writes() {
        // Event(step=300, summary=Summary(value=[Summary.Value(tag="a", simple_value=1.5)])) by the protobuf of TensorBoard
        // 2.21, after the time.
        let dir = tempfile::tempdir().unwrap();
        EventFile::open(dir.path(), 0).unwrap().write(300, &[("a".to_owned(), 1.5)]).unwrap();
        let file = fs::read(existing(dir.path()).unwrap().unwrap()).unwrap();
        let (_, event) = Records(&file).nth(1).unwrap();
        let want = [0x10, 0xac, 0x02, 0x2a, 0x0a, 0x0a, 0x08, 0x0a, 0x01, b'a', 0x15, 0x00, 0x00, 0xc0, 0x3f];
        assert_eq!(event[9..], want);
    }
}
