//! Damaged inputs for every reader: truncated, bits turned, numbers grown, nested. A violation is reduced to the edits that it needs.

use std::fs;

use super::place::Place;
use super::rng::Rng;
use super::{Siege, Tally};

/// A reader: the file that is damaged, and the command that reads it.
struct Reader {
    file: &'static str,
    words: &'static str,
    /// A command that is run first, so that there is a state to damage; it may be killed at a line of a file.
    before: Option<(&'static str, Option<(&'static str, usize)>)>,
    /// The output that must come out as if nothing had been damaged, where the program goes on.
    same: Option<&'static str>,
}

const fn input(file: &'static str, words: &'static str) -> Reader {
    Reader { file, words, before: None, same: None }
}

const GENERATE: &str = "generate --model model --prompts prompts.jsonl --out o.jsonl --max-new-tokens 2 --greedy";
const WORN: &str =
    "generate --model model --adapter adapter --prompts prompts.jsonl --out o.jsonl --max-new-tokens 2 --greedy";
const SHARDED: &str = "generate --model sharded --prompts prompts.jsonl --out o.jsonl --max-new-tokens 2 --greedy";
const STEERED: &str = "generate --model model --prompts prompts.jsonl --out o.jsonl --max-new-tokens 2 --greedy \
                       --vectors v.safetensors --layer 2 --coef 1";
const ROLLED: &str = "generate --model model --prompts prompts.jsonl --out o.jsonl --max-new-tokens 2 --rollouts 128";
const MEASURED: &str =
    "eval trait --model model --trait evil --judge harbor --questions 3 --rollouts 1 --max-new-tokens 2 --out o";
const TRAINED: &str = "train c.toml --out o";
const EXTRACTED: &str = "extract --model model --trait evil --traits traits --judge sentiment --judge-pole negative --rollouts 1 --max-new-tokens 4 --quick \
                         --filter independent --min-coherence 0 --threshold 0 --run o";
const SELECTED: &str = "layers --model model --trait evil --vectors v.safetensors --judge harbor --layers 2 --coefs 1 --questions 3 \
                        --rollouts 1 --max-new-tokens 2 --out o";

const READERS: [Reader; 32] = [
    input("model/config.json", GENERATE),
    input("model/generation_config.json", GENERATE),
    input("model/model.safetensors", GENERATE),
    input("sharded/model.safetensors.index.json", SHARDED),
    input("model/tokenizer.json", GENERATE),
    input("model/tokenizer_config.json", GENERATE),
    input("model/chat_template.jinja", GENERATE),
    input("adapter/adapter_config.json", WORN),
    input("adapter/adapter_model.safetensors", WORN),
    input("prompts.jsonl", GENERATE),
    input("v.safetensors", "vectors show v.safetensors"),
    input("v.safetensors", STEERED),
    input("vectors/bf16.pt", "vectors show vectors/bf16.pt"),
    input("vectors/cvector-generator.gguf", "vectors show vectors/cvector-generator.gguf"),
    input("parquet/all/validation-00000-of-00001.parquet", "eval mmlu --model model --data parquet --out o --limit 4"),
    input("csv/val/small_sums_val.csv", "eval mmlu --model model --data csv --out o --limit 4"),
    input("chats.jsonl", "data check chats.jsonl --model model"),
    input("pos.csv", "extract --from-csv pos.csv neg.csv --trait evil --model model --out o.safetensors"),
    input("c.toml", "plan c.toml --no-calibrate"),
    input("s.toml", "study run s.toml --out o"),
    input("traits/trait_data_eval/evil.json", "trait check traits"),
    input("many.jsonl", "project --model model --vectors v.safetensors --layer 2 --in many.jsonl --out o.jsonl"),
    Reader {
        file: ".o.jsonl.partial",
        words: ROLLED,
        before: Some((ROLLED, Some((".o.jsonl.partial", 3)))),
        same: Some("o.jsonl"),
    },
    Reader { file: "o/stages/answers-0000.json", words: MEASURED, before: Some((MEASURED, None)), same: Some("o") },
    Reader { file: "o/lock.json", words: MEASURED, before: Some((MEASURED, None)), same: Some("o") },
    Reader {
        file: "o/checkpoint.safetensors",
        words: TRAINED,
        before: Some((TRAINED, Some(("o/metrics.jsonl", 2)))),
        same: Some("o"),
    },
    Reader {
        file: "o/metrics.jsonl",
        words: TRAINED,
        before: Some((TRAINED, Some(("o/metrics.jsonl", 3)))),
        same: Some("o"),
    },
    Reader {
        file: "o/answers/pos.states.safetensors",
        words: EXTRACTED,
        before: Some((EXTRACTED, None)),
        same: Some("o"),
    },
    Reader { file: "o/run.toml", words: EXTRACTED, before: Some((EXTRACTED, None)), same: Some("o") },
    Reader { file: "o/answers.jsonl", words: SELECTED, before: Some((SELECTED, None)), same: Some("o") },
    Reader { file: "o/lock.json", words: SELECTED, before: Some((SELECTED, None)), same: Some("o") },
    Reader { file: "o/stages/fit.json", words: TRAINED, before: Some((TRAINED, None)), same: Some("o") },
];

/// What the readers' commands leave.
const OUTPUTS: [&str; 4] = ["o", "o.jsonl", "o.safetensors", ".o.jsonl.partial"];

/// One change of a file.
#[derive(Debug, Clone)]
enum Edit {
    /// Everything from here on is gone.
    Cut(usize),
    /// So many bytes are replaced by these.
    Put(usize, usize, Vec<u8>),
}

impl Edit {
    fn place(&self) -> usize {
        match self {
            Self::Cut(at) | Self::Put(at, ..) => *at,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Cut(at) => format!("cut at byte {at}"),
            Self::Put(at, n, by) if by.len() > 24 => {
                let text: String = String::from_utf8_lossy(&by[..8]).escape_debug().to_string();
                format!("{n} bytes at {at} by {} bytes, \"{text}...\"", by.len())
            }
            Self::Put(at, n, by) => format!("{n} bytes at {at} by \"{}\"", by.escape_ascii()),
        }
    }
}

fn edited(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.place()));
    let mut bytes = bytes.to_vec();
    for edit in edits {
        match edit {
            Edit::Cut(at) => bytes.truncate(at),
            Edit::Put(at, n, by) => {
                let (at, end) = (at.min(bytes.len()), (at + n).min(bytes.len()));
                bytes.splice(at..end, by);
            }
        }
    }
    bytes
}

const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1e308",
    "-1e400",
    "18446744073709551615",
    "9223372036854775807",
    "4611686018427387904",
    "1000000000",
    "0.5",
    "null",
    "\"x\"",
    "1e-320",
];

/// Edits that may break a reader of this file.
fn damage(bytes: &[u8], rng: &mut Rng) -> Vec<Edit> {
    let n = bytes.len();
    let texts = std::str::from_utf8(bytes).is_ok();
    // A binary file's header, where sizes are, is hit more often than its data.
    let spot = |rng: &mut Rng| if !texts && rng.below(2) == 0 { rng.below(n.min(512)) } else { rng.below(n) };
    let extremes: [u64; 7] = [0, 1, u64::MAX, 1 << 62, 1 << 31, u64::from(u32::MAX), n as u64 + 1];
    match rng.below(if texts { 8 } else { 4 }) {
        0 => vec![Edit::Cut(rng.below(n + 1))],
        1 => {
            let mut turn = |_| {
                let at = spot(rng);
                Edit::Put(at, 1, vec![bytes.get(at).copied().unwrap_or(0) ^ (1 << rng.below(8))])
            };
            (0..4).map(&mut turn).collect()
        }
        2 => {
            let wide = *rng.pick(&[1, 4, 8]);
            let at = if rng.below(3) == 0 { 0 } else { spot(rng) / wide * wide };
            vec![Edit::Put(at, wide, rng.pick(&extremes).to_le_bytes()[..wide].to_vec())]
        }
        3 => {
            let (from, len) = (spot(rng), 1 + rng.below(64));
            let piece = bytes[from..(from + len).min(n)].to_vec();
            vec![Edit::Put(spot(rng), rng.below(2) * len, piece)]
        }
        4 | 5 => numbers(bytes).map_or_else(Vec::new, |all| {
            let count = 1 + rng.below(2);
            let mut chosen: Vec<(usize, usize)> = (0..count).map(|_| *rng.pick(&all)).collect();
            chosen.sort_unstable();
            chosen.dedup();
            chosen.into_iter().map(|(at, len)| Edit::Put(at, len, rng.pick(&NUMBERS).as_bytes().to_vec())).collect()
        }),
        6 => {
            let deep = *rng.pick(&[200, 100_000]);
            let with = rng.pick(&["[", "{\"a\":", "(", "{{ ", "\\u001b[31m", "\u{1b}[2J", "\0", "\u{feff}", "9"]);
            vec![Edit::Put(spot(rng), 0, with.repeat(deep).into_bytes())]
        }
        _ => {
            let with: [&[u8]; 7] = [b"\xff\xfe", b"\n\n", b"\"", b"}", b"\x1b[31m", b"\r", b",,,,"];
            let with = *rng.pick(&with);
            vec![Edit::Put(spot(rng), rng.below(4), with.to_vec())]
        }
    }
}

/// Places and lengths of the numbers of a text.
fn numbers(bytes: &[u8]) -> Option<Vec<(usize, usize)>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = bytes[at..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
        if len > 0 {
            found.push((at, len));
        }
        at += len.max(1);
    }
    (!found.is_empty()).then_some(found)
}

/// What is wrong with how the program took a damaged file.
fn verdict(place: &Place, reader: &Reader, bytes: &[u8], state: Option<&State>) -> Option<String> {
    if let Some(state) = state {
        state.restore(place);
    } else {
        OUTPUTS.iter().for_each(|name| place.remove(name));
    }
    fs::write(place.file(reader.file), bytes).ok()?;
    let ended = place.run(reader.words);
    if let Some(fault) = ended.fault() {
        return Some(fault);
    }
    match (ended.code(), reader.same, state) {
        (Some(0), Some(out), Some(state)) if place.files(out) != state.whole => Some("gives another result".to_owned()),
        (Some(1 | 2), ..) => {
            // The file, or the folder that it is in.
            let names = reader.file.rsplit('/').take(1).chain(reader.file.split('/').take(1));
            let named = names.into_iter().any(|name| ended.stderr.contains(name) || ended.stdout.contains(name));
            // A row that is too long for the model is named by its own name, and a path that leads nowhere by its key.
            let row = ["the model reads", "no such file or folder"].iter().any(|words| ended.stderr.contains(words));
            let said = ended.stderr.lines().find(|line| line.contains('×')).unwrap_or_default();
            (!named && !row).then(|| format!("does not name the file: {}", said.trim()))
        }
        _ => None,
    }
}

/// Files of a run that is to go on, and what it ends with.
struct State {
    folder: std::path::PathBuf,
    whole: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
}

impl State {
    fn new(place: &Place, reader: &Reader) -> Option<Self> {
        let (words, killed) = reader.before?;
        OUTPUTS.iter().for_each(|name| place.remove(name));
        if place.run(words).code() != Some(0) {
            return None;
        }
        let whole = place.files(reader.same?);
        if let Some((file, lines)) = killed {
            OUTPUTS.iter().for_each(|name| place.remove(name));
            let mut child = place.start(&[], words, "run").ok()?;
            let reached = || fs::read_to_string(place.file(file)).is_ok_and(|text| text.lines().count() >= lines);
            while !reached() && child.try_wait().ok()?.is_none() {}
            let _ = child.kill();
            let _ = child.wait();
        }
        let folder = place.file("state");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).ok()?;
        for name in OUTPUTS {
            let path = place.file(name);
            if path.is_dir() {
                super::place::copy(&path, &folder.join(name)).ok()?;
            } else if path.is_file() {
                fs::copy(&path, folder.join(name)).ok()?;
            }
        }
        Some(Self { folder, whole })
    }

    fn restore(&self, place: &Place) {
        OUTPUTS.iter().for_each(|name| place.remove(name));
        let _ = super::place::copy(&self.folder, &place.path);
    }
}

/// A reader's undamaged file, and the state that it belongs to.
type Ready = (Vec<u8>, Option<State>);

/// Makes a reader ready; nothing where the undamaged file cannot be read.
fn prepare(place: &Place, reader: &Reader, number: usize, tally: &mut Tally) -> Option<Ready> {
    let mut state = None;
    if reader.before.is_some() {
        let Some(mut found) = State::new(place, reader) else {
            tally.skipped(format!("{}: the undamaged run fails", reader.file));
            return None;
        };
        // Each reader has a state of its own.
        let own = place.file(format!("state-{number}"));
        let _ = fs::rename(&found.folder, &own);
        found.folder = own;
        found.restore(place);
        state = Some(found);
    } else {
        OUTPUTS.iter().for_each(|name| place.remove(name));
        let ended = place.run(reader.words);
        if ended.code() != Some(0) {
            tally.skipped(format!("{}: the undamaged file fails: {}", reader.file, ended.stderr.trim()));
            return None;
        }
    }
    let bytes = fs::read(place.file(reader.file));
    if bytes.is_err() {
        tally.skipped(format!("{}: the undamaged run leaves no such file", reader.file));
    }
    Some((bytes.ok()?, state))
}

/// Damages each reader's file until the time is over.
pub fn run(siege: &mut Siege, tally: &mut Tally) -> trimtab::Result<()> {
    let place = siege.place()?;
    let mut ready: Vec<Option<Option<Ready>>> = READERS.iter().map(|_| None).collect();
    let first = siege.rng.below(READERS.len());
    for number in (0..READERS.len()).cycle().skip(first) {
        if !siege.goes_on() || ready.iter().all(|found| matches!(found, Some(None))) {
            break;
        }
        let reader = &READERS[number];
        let found = ready[number].get_or_insert_with(|| prepare(&place, reader, number, tally));
        let Some((bytes, state)) = found else { continue };
        let edits = damage(bytes, &mut siege.rng);
        let check = |edits: &[Edit]| verdict(&place, reader, &edited(bytes, edits), state.as_ref());
        tally.tried += 1;
        if let Some(fault) = check(&edits) {
            let edits = reduced(edits, &mut |edits| check(edits).is_some());
            let shown: Vec<String> = edits.iter().map(Edit::shown).collect();
            let what = format!("{} ({}): {fault}", reader.file, shown.join("; "));
            tally.violation(what, &format!("trimtab {}", reader.words));
        }
        if state.is_none() {
            let _ = fs::write(place.file(reader.file), bytes);
        }
    }
    Ok(())
}

/// The fewest of the edits that still do it: halves are left out as long as they can be, then single ones; a cut and what is put in
/// are made smaller.
fn reduced(mut edits: Vec<Edit>, fails: &mut dyn FnMut(&[Edit]) -> bool) -> Vec<Edit> {
    const TRIES: usize = 24;
    let mut tries = 0;
    let mut size = edits.len() / 2;
    while size > 0 {
        let mut from = 0;
        while from < edits.len() && edits.len() > 1 && tries < TRIES {
            let less: Vec<Edit> = [&edits[..from], &edits[(from + size).min(edits.len())..]].concat();
            tries += 1;
            if !less.is_empty() && fails(&less) { edits = less } else { from += size }
        }
        size /= 2;
    }
    while let [Edit::Put(at, n, by)] = &edits[..]
        && by.len() > 64
        && tries < TRIES
    {
        let half = vec![Edit::Put(*at, *n, by[..by.len() / 2].to_vec())];
        tries += 1;
        if !fails(&half) {
            break;
        }
        edits = half;
    }
    edits
}
