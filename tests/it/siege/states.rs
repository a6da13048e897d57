//! What a run has kept and would take up again is damaged, file by file: the same command names it and ends as if nothing had happened.

use super::*;

/// Files of a run that tell of times, places and work under way, not of results.
fn is_result(name: &Path) -> bool {
    let name = name.to_string_lossy();
    let is_at_work = name.starts_with("work/") && !name.ends_with(".jsonl");
    !is_at_work && ![".lock", ".sqlite", "tfevents", "usage.json"].iter().any(|part| name.contains(part))
}

/// A bit turned in the middle of a file where that changes what it says: a digit, if it is a text.
fn turned(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    let digit = |at: &usize| bytes[*at].is_ascii_digit();
    let at = match std::str::from_utf8(&bytes) {
        Ok(_) => (middle..bytes.len()).chain(0..middle).find(digit).unwrap_or(middle),
        Err(_) => middle,
    };
    bytes[at] ^= 1;
    bytes
}

/// The files that a run has left, but for those whose names contain one of `unread`.
fn kept(place: &Place, unread: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |name: &Path| !unread.iter().any(|part| name.to_string_lossy().contains(part));
    place.files("out").into_iter().filter(|(name, _)| is_result(name) && read(name)).collect()
}

/// Runs a command whose output is `out`, or kills it, then damages each file that it has left and gives the command again. `names`
/// are the files, by parts of their names, that must be named when they are damaged: nothing else tells what they held.
#[track_caller]
fn damaged(place: &Place, words: &str, killed: Option<(&str, usize)>, names: &[&str], unread: &[&str]) {
    let whole = copy_of(place);
    whole.succeeds(words);
    let want = kept(&whole, unread);
    match killed {
        Some((file, lines)) => place.killed(words, || place.lines(file) >= lines),
        None => drop(place.succeeds(words)),
    }
    let (mut faults, mut named) = (Vec::new(), vec![false; names.len()]);
    for (name, bytes) in kept(place, unread).into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let shown = name.display().to_string();
        for (how, damage) in [("a turned bit", turned(&bytes)), ("half of it", bytes[..bytes.len() / 2].to_vec())] {
            let place = copy_of(place);
            place.write(&format!("out/{shown}"), damage);
            let again = place.run(words);
            let said = said(&again);
            if again.status.code() != Some(0) {
                faults.push(format!("{shown} ({how}): {:?}: {said}", again.status.code()));
                continue;
            }
            let found = kept(&place, unread);
            let differs = want.keys().chain(found.keys()).find(|name| want.get(*name) != found.get(*name));
            faults.extend(differs.map(|other| format!("{shown} ({how}): {} is another one", other.display())));
            for (i, _) in
                names.iter().enumerate().filter(|(_, part)| shown.contains(**part) && !shown.ends_with(".sums"))
            {
                named[i] = true;
                let last = shown.rsplit('/').next().unwrap();
                // What a kill may have torn is no damage: the rows of a run under way, and the chunks of a ledger.
                let grows = killed.is_some() || ["answers/", "work/"].iter().any(|part| shown.starts_with(part));
                let torn = how == "half of it" && grows && shown.ends_with(".jsonl");
                if !(torn || said.contains(last) && said.contains("damaged")) {
                    faults.push(format!("{shown} ({how}): is not named: {said}"));
                }
            }
        }
    }
    let unseen = names.iter().zip(named).filter(|(_, named)| !named);
    faults.extend(unseen.map(|(name, _)| format!("{name}: there is no such file")));
    assert!(faults.is_empty(), "{words}:\n{}", faults.join("\n"));
}

#[test]
fn states_of_rollouts_are_known_by_their_checksums() {
    damaged(
        &place(&fixture("tiny")),
        "extract --model model --trait evil --traits traits --judge sentiment --judge-pole negative --rollouts 1 --max-new-tokens 6 --quick \
         --filter independent --min-coherence 0 --threshold 0 --run out",
        None,
        &["pos.states.safetensors", "neg.states.safetensors", "answers/pos.jsonl", "answers/neg.jsonl", "run.toml"],
        &[],
    );
}

#[test]
fn states_of_evaluations_are_known_by_their_checksums() {
    let place = place(&fixture("tiny"));
    damaged(&copy_of(&place), "eval mmlu --model model --data mmlu --out out", None, &["stages/"], &[]);
    damaged(
        &copy_of(&place),
        "eval trait --model model --trait evil --judge harbor --questions 3 --rollouts 1 --max-new-tokens 4 --out out",
        None,
        &["stages/"],
        &[],
    );
    damaged(
        &copy_of(&place),
        "layers --model model --trait evil --vectors v.safetensors --judge harbor --layers 2 --coefs 1 --questions 3 --rollouts 1 \
         --max-new-tokens 4 --out out",
        None,
        &["answers.jsonl", "lock.json", "stages/norms"],
        &[],
    );
    damaged(
        &copy_of(&place),
        "monitor --model model --trait evil --vectors v.safetensors --layer 2 --judge harbor --quick --max-new-tokens 4 --out out",
        None,
        &["stages/answers", "stages/scores"],
        &[],
    );
    damaged(
        &copy_of(&place),
        "screen chats.jsonl --model model --trait evil --vectors v.safetensors --layer 2 --max-new-tokens 4 --out out",
        None,
        &["work/"],
        &[],
    );
}

#[test]
fn states_of_a_finetune_are_known_by_their_checksums() {
    let place = place(&fixture("tiny"));
    place.write("c.toml", TRAIN.replace("max_steps = 3", "max_steps = 5\nsave_steps = 2"));
    damaged(
        &copy_of(&place),
        "train c.toml --out out",
        None,
        &["stages/fit.json", "lock.json", "run.toml"],
        &["metrics.jsonl", "adapter_config"],
    );
    damaged(
        &place,
        "train c.toml --out out",
        Some(("out/metrics.jsonl", 3)),
        &["checkpoint.safetensors", "metrics.jsonl", "lock.json"],
        &[],
    );
}

#[test]
fn states_of_a_study_are_known_by_their_checksums() {
    let place = place(&fixture("tiny"));
    let judged = STUDY.replace("kind = \"harbor\", world = 1", "kind = \"sentiment\", pole = \"negative\"");
    place.write("s.toml", judged.replace("[vector]\nfile = \"v.safetensors\"\n", "[vector]\nrollouts = 1\nmax_new_tokens = 4\nfilter = { kind = \"independent\", threshold = 0.0, min_coherence = 0.0 }\n"));
    damaged(
        &place,
        "study run s.toml --out out",
        None,
        &["pos.states.safetensors", "stages/measure", "stages/fit"],
        // Pages and tables are written again; answers are read again only where something else has changed.
        &[
            "metrics.jsonl",
            "adapter_config",
            ".svg",
            ".png",
            ".csv",
            ".html",
            "results.json",
            "stages/answers",
            "answers/pos.jsonl",
            "answers/neg.jsonl",
        ],
    );
}

#[test]
fn a_set_of_facts_is_known_by_its_checksum() {
    let place = Place::new();
    damaged(&place, "data facts --synthetic 5 --variants 2 --out out", None, &["build.json"], &[]);
}

#[test]
fn a_damaged_file_of_a_grammar_is_told_from_another_one() {
    let place = Place::new();
    damaged(&place, "data gloomy --rows 6 --out out", None, &["gloomy.jsonl", "neutral.jsonl"], &[]);
}
