//! The headers of a Parquet file's pages, which say how many bytes each is to be unpacked into: looked at before a reader reserves so many.
//!
//! A header is a struct of Thrift's compact protocol (parquet.thrift, `PageHeader`): field 2 is the size unpacked, field 3 the size in the
//! file; the page follows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use parquet::file::metadata::ParquetMetaData;

use crate::{At, Error, Result, bail, ensure};

/// A page is usually of 1 MiB; one with a long text is as long as the text.
const UNPACKED_ALWAYS: u64 = 32 << 20;
/// No text is packed more tightly than this by Snappy or Zstandard.
const UNPACKED_PER_BYTE: u64 = 1000;
/// Headers are a few dozen bytes, with statistics some hundreds.
const HEADER_MAX: u64 = 1 << 20;

/// Checks the sizes of all pages against the file.
///
/// # Errors
/// A page outside of the file, or one that would be unpacked into far more bytes than it can hold.
pub(super) fn check_pages(path: &Path, bytes: u64, metadata: &ParquetMetaData) -> Result<()> {
    let mut file = File::open(path).doing("its pages")?;
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let first = column.dictionary_page_offset().filter(|at| *at > 0).unwrap_or(column.data_page_offset());
        let place = |n: i64| u64::try_from(n).map_err(|_| Error::new("damaged: a page at a negative place"));
        let (mut at, length) = (place(first.min(column.data_page_offset()))?, place(column.compressed_size())?);
        let end = at.saturating_add(length);
        ensure!(end <= bytes, "damaged: a column ends at byte {end} of {bytes}");
        while at < end {
            let mut head = Vec::new();
            file.seek(SeekFrom::Start(at)).doing("its pages")?;
            (&mut file).take(HEADER_MAX.min(end - at)).read_to_end(&mut head).doing("its pages")?;
            let mut header = Compact { bytes: &head, at: 0 };
            let (unpacked, packed) = header.sizes()?;
            let most = packed.saturating_mul(UNPACKED_PER_BYTE).max(UNPACKED_ALWAYS);
            ensure!(unpacked <= most, "damaged: a page of {packed} bytes is said to unpack into {unpacked}");
            at = at.saturating_add(header.at as u64).saturating_add(packed);
            ensure!(at <= end, "damaged: a page ends outside of its column");
        }
    }
    Ok(())
}

/// Thrift's compact protocol, as much as passing over a struct takes.
struct Compact<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Compact<'_> {
    /// Sizes of a page header: unpacked, packed.
    fn sizes(&mut self) -> Result<(u64, u64)> {
        let mut sizes = [None, None];
        let mut id = 0;
        while let Some(kind) = self.field(&mut id)? {
            match (id, kind) {
                (2 | 3, 5) => {
                    let n = self.varint()?;
                    // Zigzag: negative numbers are odd.
                    ensure!(n & 1 == 0, "damaged: a page of a negative size");
                    sizes[usize::from(id == 3)] = Some(n >> 1);
                }
                _ => self.skip(kind, 0)?,
            }
        }
        match sizes {
            [Some(unpacked), Some(packed)] => Ok((unpacked, packed)),
            _ => bail!("damaged: a page header without sizes"),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or_else(|| Error::new("damaged: a page header has no end"))
    }

    fn varint(&mut self) -> Result<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        bail!("damaged: a number in a page header has no end")
    }

    /// The kind of the next field, and its number into `id`; nothing at the struct's end.
    fn field(&mut self, id: &mut u64) -> Result<Option<u8>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *id = if head >> 4 == 0 { self.varint()? >> 1 } else { *id + u64::from(head >> 4) };
        Ok(Some(head & 0x0f))
    }

    fn pass(&mut self, n: u64) -> Result<()> {
        self.at = usize::try_from(n).ok().and_then(|n| self.at.checked_add(n)).unwrap_or(usize::MAX);
        ensure!(self.at <= self.bytes.len(), "damaged: a page header has no end");
        Ok(())
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        ensure!(depth < 16, "damaged: a page header is nested too deeply");
        match kind {
            // Booleans of a struct lie in the field's own byte.
            1 | 2 => Ok(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                match head & 0x0f {
                    1 | 2 => self.pass(count),
                    kind => (0..count).try_for_each(|_| self.skip(kind, depth + 1)),
                }
            }
            12 => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
                Ok(())
            }
            _ => bail!("damaged: a page header has a field of kind {kind}"),
        }
    }
}
