//! Files that outlive the process: atomic writes, hashes, seeds, rows, and a run's folder.
//!
//! A run is a folder: `run.toml` (the resolved configuration), `lock.json` (hashes, seeds, versions, device),
//! `metrics.jsonl`, `stages/` and the results. Whatever is killed half-way leaves the old file or the new one, never a
//! torn one, and a rerun picks up every stage whose inputs are unchanged.

mod atomic;
mod contained;
mod foreign;
mod hash;
mod hold;
mod keyed;
mod ledger;
mod lines;
mod objects;
mod pages;
mod parquet;
mod refuse;
mod rows;
mod run;
mod sealed;
mod sums;
mod track;
mod written;

pub use atomic::{can_write, create_folder, entries_of, write_atomic, write_atomic_by, write_atomic_with};
pub use contained::{contained, contained_here};
pub use foreign::{is_lfs_pointer, lfs_pointer, read_whole, without_mark};
pub use hash::{Hash, hash_bytes, hash_file, seed_of};
pub use hold::{Claim, OutputHold, hold_output, is_held};
pub use keyed::KeyedRows;
pub use ledger::Ledger;
pub use lines::{Lines, Malformed, read_jsonl, refuse_malformed, scan_jsonl, skip_bom, write_jsonl};
pub use objects::scan_objects;
pub use parquet::{is_parquet, scan_parquet};
pub use refuse::{differing, refuse_other};
pub use rows::JsonlWriter;
pub use run::{Lock, Reused, RunDir};
pub use sealed::{Kept, read_sealed, sealed, unsealed, write_sealed};
pub use sums::{SummedWriter, sound_rows};
pub use track::{Tracker, Trackers, Tracking};
pub use written::{as_written, as_written_if, written};

#[cfg(test)]
mod tests;
