//! Disks that are small or read-only, and two writers of one output at once.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::kills::{JUDGED, TRIES, clear, resumed, rounds, whole};
use super::place::Place;
use super::{Siege, Tally};

/// A file system of its own at a folder, for as long as it lives.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(at: &'a Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(at).ok()?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// Writes onto disks that are too small for the output, and onto one that may only be read.
pub fn small(siege: &mut Siege, tally: &mut Tally) -> trimtab::Result<()> {
    let place = siege.place()?;
    place.write("judged.csv", JUDGED)?;
    let disk = place.file("disk");
    for writer in rounds(&mut siege.rng) {
        if !siege.goes_on() {
            break;
        }
        let read_only = siege.rng.below(4) == 0;
        let options = match read_only {
            true => "ro".to_owned(),
            false => format!("size={}k", 4 * (1 + siege.rng.below(24))),
        };
        let Some(mount) = Mount::new(&disk, &options) else {
            tally.skipped("no file system can be mounted here".to_owned());
            return Ok(());
        };
        let words = writer.words.replace(&format!("--out {}", writer.out), &format!("--out disk/{}", writer.out));
        let words = words.replace("v.safetensors o.gguf", "v.safetensors disk/o.gguf");
        let ended = place.run(&words);
        drop(mount);
        tally.tried += 1;
        let said = ended.stderr.contains("disk/");
        let fault = match (ended.fault(), ended.code()) {
            (Some(fault), _) => Some(fault),
            (None, Some(1)) if !said => Some(format!("does not name the path: {}", ended.stderr.trim())),
            (None, Some(0)) if read_only => Some("writes onto a disk that may only be read".to_owned()),
            _ => None,
        };
        if let Some(fault) = fault {
            tally.violation(format!("a disk with {options}: {fault}"), &format!("trimtab {words}"));
        }
    }
    Ok(())
}

/// Starts two writers of one output at nearly the same time.
pub fn rivals(siege: &mut Siege, tally: &mut Tally) -> trimtab::Result<()> {
    let place = siege.place()?;
    place.write("judged.csv", JUDGED)?;
    for writer in rounds(&mut siege.rng) {
        if !siege.goes_on() {
            break;
        }
        let Some(whole) = whole(&place, writer, tally) else { continue };
        for _ in 0..TRIES {
            clear(&place);
            let start = |place: &Place, log| place.start(&[], writer.words, log);
            let Ok(first) = start(&place, "first") else { continue };
            std::thread::sleep(Duration::from_micros(siege.rng.next() % 60_000));
            let Ok(second) = start(&place, "second") else { continue };
            let ended = [place.end(first, "first"), place.end(second, "second")];
            tally.tried += 1;
            let mut faults: Vec<String> = ended.iter().filter_map(super::place::Ended::fault).collect();
            if ended.iter().all(|ended| ended.code() != Some(0)) {
                faults.push(format!("both fail: {}", ended[0].stderr.trim()));
            }
            let known = ["another process", "already", "writing this"];
            for loser in ended.iter().filter(|ended| ended.code() != Some(0)) {
                if !known.iter().any(|words| loser.stderr.contains(words)) {
                    faults.push(format!("the loser does not say why: {}", loser.stderr.trim()));
                }
            }
            faults.extend(resumed(&place, writer, &whole));
            if let Some(fault) = faults.into_iter().next() {
                tally.violation(format!("two at once: {fault}"), &format!("trimtab {}", writer.words));
            }
        }
    }
    Ok(())
}
