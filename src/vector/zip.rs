//! Zip archives as `torch.save` writes them: entries stored without compression, each beginning at a multiple of 64 bytes.
//!
//! Reading trusts nothing: every length is checked against the file, and every entry against its CRC-32.

use crate::{Error, Result, ensure};

/// Where torch lets an entry's bytes begin.
const ALIGNMENT: usize = 64;
const END: &[u8; 4] = b"PK\x05\x06";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";
/// Sizes of the three records without the names in them.
const END_LEN: usize = 22;
const CENTRAL_LEN: usize = 46;
const LOCAL_LEN: usize = 30;

/// An archive's table of contents.
pub(super) struct Zip<'a> {
    bytes: &'a [u8],
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    /// Of its local header.
    at: usize,
    len: usize,
    crc: u32,
}

impl<'a> Zip<'a> {
    /// Whether these bytes begin as an archive does.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(LOCAL)
    }

    /// Reads the table of contents, which stands at the archive's end.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        // A comment of up to 65,535 bytes may follow the last record.
        let from = bytes.len().saturating_sub(END_LEN + usize::from(u16::MAX));
        let end = bytes[from..].windows(END_LEN).rposition(|window| window.starts_with(END));
        let end = from + end.ok_or_else(|| Error::new("truncated: the zip archive has no table of contents"))?;
        let (count, mut at) = (half(bytes, end + 10)?, word(bytes, end + 16)? as usize);
        let mut entries = Vec::new();
        for _ in 0..count {
            ensure!(take(bytes, at, 4)? == CENTRAL, "corrupt zip archive: no entry where its table promises one");
            let (flags, method) = (half(bytes, at + 8)?, half(bytes, at + 10)?);
            let (packed, len) = (word(bytes, at + 20)?, word(bytes, at + 24)?);
            let [name_len, extra, comment] = [28, 30, 32].map(|of| half(bytes, at + of).map(usize::from));
            let (name_len, skip) = (name_len?, extra? + comment?);
            let name = String::from_utf8_lossy(take(bytes, at + CENTRAL_LEN, name_len)?).into_owned();
            ensure!(flags & 1 == 0 && method == 0 && packed == len, "`{name}` is compressed, which torch never does");
            let (crc, local) = (word(bytes, at + 16)?, word(bytes, at + 42)?);
            entries.push(Entry { name, at: local as usize, len: len as usize, crc });
            at += CENTRAL_LEN + name_len + skip;
        }
        ensure!(!entries.is_empty(), "the zip archive is empty");
        Ok(Self { bytes, entries })
    }

    /// An entry's bytes by its name within the archive's one folder, or nothing if there is no such entry.
    pub fn get(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let inside = |entry: &&Entry| entry.name.split_once('/').is_some_and(|(_, inside)| inside == name);
        let Some(entry) = self.entries.iter().find(inside) else { return Ok(None) };
        ensure!(take(self.bytes, entry.at, 4)? == LOCAL, "corrupt zip archive: `{name}` is not where its table says");
        let skip = usize::from(half(self.bytes, entry.at + 26)?) + usize::from(half(self.bytes, entry.at + 28)?);
        let bytes = take(self.bytes, entry.at + LOCAL_LEN + skip, entry.len)?;
        ensure!(crc32fast::hash(bytes) == entry.crc, "corrupt: the checksum of `{name}` is wrong");
        Ok(Some(bytes))
    }
}

fn take(bytes: &[u8], at: usize, len: usize) -> Result<&[u8]> {
    let range = at..at.saturating_add(len);
    bytes.get(range).ok_or_else(|| Error::new("truncated, or a corrupt zip archive: an entry lies beyond its end"))
}

fn half(bytes: &[u8], at: usize) -> Result<u16> {
    take(bytes, at, 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    take(bytes, at, 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// An archive of these entries (name and bytes), which must be far below 4 GiB together. Equal entries give equal bytes.
pub(super) fn write(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let at = out.len() as u32;
        let crc = crc32fast::hash(bytes).to_le_bytes();
        let len = (bytes.len() as u32).to_le_bytes();
        let name_len = (name.len() as u16).to_le_bytes();
        // Version, flags, method, time and date are zero; then checksum, packed and plain size, length of the name.
        let common = [&[0; 10][..], &crc, &len, &len, &name_len].concat();

        let before_padding = out.len() + LOCAL_LEN + name.len() + 4;
        let padding = before_padding.next_multiple_of(ALIGNMENT) - before_padding;
        out.extend([LOCAL, &common[..], &(4 + padding as u16).to_le_bytes(), name.as_bytes(), b"FB"].concat());
        out.extend((padding as u16).to_le_bytes());
        out.extend(std::iter::repeat_n(b'Z', padding));
        out.extend_from_slice(bytes);

        // Before the common fields the maker's version, after them: extra, comment, disk, attributes (2 + 4), place.
        central.extend([&CENTRAL[..], &[0; 2], &common[..], &[0; 12], &at.to_le_bytes(), name.as_bytes()].concat());
    }
    let (count, at) = ((entries.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes());
    let len = (central.len() as u32).to_le_bytes();
    out.extend(central);
    out.extend([END, &[0; 4][..], &count, &count, &len, &at, &[0; 2]].concat());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_and_aligned() {
        let archive = write(&[("a/data.pkl", b"one"), ("a/data/0", &[7; 100]), ("a/version", b"3\n")]);
        let zip = Zip::open(&archive).unwrap();
        assert_eq!(zip.get("data.pkl").unwrap(), Some(&b"one"[..]));
        let data = zip.get("data/0").unwrap().unwrap();
        assert_eq!((data, (data.as_ptr() as usize - archive.as_ptr() as usize) % ALIGNMENT), (&[7; 100][..], 0));
        assert!(zip.get("data").unwrap().is_none());
    }

    #[test]
    fn an_entry_that_was_changed_is_noticed() {
        let mut archive = write(&[("a/data/0", b"numbers")]);
        let at = archive.windows(7).position(|w| w == b"numbers").unwrap();
        archive[at] ^= 1;
        let error = Zip::open(&archive).unwrap().get("data/0").unwrap_err().to_string();
        assert_eq!(error, "corrupt: the checksum of `data/0` is wrong");
    }
}
