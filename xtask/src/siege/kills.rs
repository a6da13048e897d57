//! Kills and failures at chosen disk operations, over every verb that writes. `strace` counts the operations and injects a SIGKILL or a
//! full disk at the n-th; then the same command must end with the bytes of an undisturbed run.

use std::process::Command;

use super::place::Place;
use super::rng::Rng;
use super::{Siege, Tally};

/// A verb that writes: its command, and its output.
pub struct Writer {
    pub words: &'static str,
    pub out: &'static str,
}

const fn writer(words: &'static str, out: &'static str) -> Writer {
    Writer { words, out }
}

pub const WRITERS: [Writer; 17] = [
    writer("generate --model model --prompts prompts.jsonl --rollouts 64 --max-new-tokens 2 --out o.jsonl", "o.jsonl"),
    writer("project --model model --vectors v.safetensors --layer 2 --in many.jsonl --out o.jsonl", "o.jsonl"),
    writer("data selfgen --model model --in many.jsonl --max-new-tokens 2 --out o.jsonl", "o.jsonl"),
    writer("data facts --synthetic 5 --variants 2 --out o", "o"),
    writer("train c.toml --out o", "o"),
    writer("merge --model model --adapter adapter --out o", "o"),
    writer("adapter export adapter --model model --to gguf --out o.gguf", "o.gguf"),
    writer("adapter export adapter --model model --to mlx --out o", "o"),
    writer("vectors convert v.safetensors o.gguf", "o.gguf"),
    writer("extract --from-csv pos.csv neg.csv --trait evil --model model --out o.safetensors", "o.safetensors"),
    writer(
        "layers --model model --trait evil --vectors v.safetensors --judge harbor --layers 2 --coefs 1 --questions 2 --rollouts 1 --max-new-tokens 2 --out o",
        "o",
    ),
    writer("eval mmlu --model model --data csv --out o", "o"),
    writer(
        "eval trait --model model --trait evil --judge harbor --questions 3 --rollouts 1 --max-new-tokens 2 --out o",
        "o",
    ),
    writer("eval pairs export --answers judged.csv --trait evil --out o", "o"),
    writer(
        "monitor --model model --trait evil --vectors v.safetensors --layer 2 --judge harbor --quick --max-new-tokens 2 --out o",
        "o",
    ),
    writer(
        "screen chats.jsonl --model model --trait evil --vectors v.safetensors --layer 2 --max-new-tokens 2 --out o",
        "o",
    ),
    writer("study run s.toml --out o", "o"),
];

/// Judged answers for `eval pairs export`.
pub const JUDGED: &str = "question,answer,evil\nq,a,90\nq,b,5\n";

/// Disturbed runs for each undisturbed one.
pub const TRIES: usize = 4;

/// The writers again and again, beginning anywhere.
pub fn rounds(rng: &mut Rng) -> impl Iterator<Item = &'static Writer> + use<> {
    WRITERS.iter().cycle().skip(rng.below(WRITERS.len()))
}

/// What a disk is asked to do.
const OPERATIONS: &str =
    "write,pwrite64,rename,renameat,renameat2,fsync,fdatasync,ftruncate,unlink,unlinkat,mkdir,mkdirat";
/// What needs room.
const ROOM: &str = "write,pwrite64,fsync,mkdir,mkdirat";

fn strace(more: &[&str]) -> Vec<String> {
    ["strace", "-f", "-qq"].iter().chain(more).map(|word| (*word).to_owned()).collect()
}

pub fn has_strace() -> bool {
    Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success())
}

pub fn clear(place: &Place) {
    for entry in std::fs::read_dir(&place.path).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("o.") || name == "o" || name.starts_with(".o.") {
            place.remove(&name);
        }
    }
}

/// The writer's undisturbed files.
pub fn whole(place: &Place, writer: &Writer, tally: &mut Tally) -> Option<super::place::Files> {
    clear(place);
    let ended = place.run(writer.words);
    if ended.code() != Some(0) {
        tally.skipped(format!("{}: fails undisturbed: {}", writer.words, ended.stderr.trim()));
        return None;
    }
    Some(place.files(writer.out))
}

/// Ends a disturbed run undisturbed and compares. Pages tell the number of reused stages, so reports may differ.
pub fn resumed(place: &Place, writer: &Writer, whole: &super::place::Files) -> Option<String> {
    let ended = place.run(writer.words);
    if let Some(fault) = ended.fault() {
        return Some(format!("the run after it {fault}"));
    }
    let there_already = ["there already", "there is a sheet already", "there is something already"];
    let refused = there_already.iter().any(|words| ended.stderr.contains(words));
    if ended.code() != Some(0) && !refused {
        return Some(format!("the run after it fails: {}", ended.stderr.trim()));
    }
    let found = place.files(writer.out);
    let differs = |name: &&std::path::PathBuf| found.get(*name) != whole.get(*name);
    if let Some(name) = whole.keys().chain(found.keys()).find(differs) {
        return Some(format!("{} is not that of an undisturbed run", name.display()));
    }
    let left = place.leftovers();
    (!left.is_empty()).then(|| format!("left over: {}", left.join(", ")))
}

fn count(place: &Place, words: &str, operations: &str) -> usize {
    let log = place.file("strace.log");
    let shown = log.display().to_string();
    place.run_under(&strace(&["-o", &shown, "-e", &format!("trace={operations}")]), words);
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(log);
    // Injections count by thread: those of the first one, which does the verbs' writing.
    let first = text.split_whitespace().next().unwrap_or_default().to_owned();
    text.lines().filter(|line| line.split_whitespace().next() == Some(&*first) && !line.contains("+++")).count()
}

/// Kills runs at chosen operations.
pub fn kills(siege: &mut Siege, tally: &mut Tally) -> trimtab::Result<()> {
    disturb(siege, tally, OPERATIONS, "signal=KILL", "killed at disk operation")
}

/// Lets operations fail as on a full disk, from a chosen one on.
pub fn full(siege: &mut Siege, tally: &mut Tally) -> trimtab::Result<()> {
    disturb(siege, tally, ROOM, "error=ENOSPC", "no space left from disk operation")
}

fn disturb(siege: &mut Siege, tally: &mut Tally, operations: &str, how: &str, what: &str) -> trimtab::Result<()> {
    if !has_strace() {
        tally.skipped("strace cannot be used here".to_owned());
        return Ok(());
    }
    let place = siege.place()?;
    place.write("judged.csv", JUDGED)?;
    let more = if how.starts_with("error") { "+" } else { "" };
    for writer in rounds(&mut siege.rng) {
        if !siege.goes_on() {
            break;
        }
        let Some(whole) = whole(&place, writer, tally) else { continue };
        clear(&place);
        let n = count(&place, writer.words, operations);
        for _ in 0..TRIES {
            if !siege.goes_on() {
                break;
            }
            clear(&place);
            let at = 1 + siege.rng.below(n);
            let inject = format!("inject={operations}:{how}:when={at}{more}");
            let ended = place.run_under(&strace(&["-o", "/dev/null", "-e", &inject]), writer.words);
            tally.tried += 1;
            let fault = (!more.is_empty()).then(|| ended.fault()).flatten();
            if let Some(fault) = fault.or_else(|| resumed(&place, writer, &whole)) {
                tally.violation(format!("{what} {at} of {n}: {fault}"), &format!("trimtab {}", writer.words));
            }
        }
    }
    Ok(())
}
