//! Outputs and state on the disk: one writer at a time, devices and links as outputs, damaged files, interrupted finetunes.

use std::collections::BTreeSet;
use std::fs::{self, FileType};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::goldens::fixture;
use crate::support::place::{Place, copy, said};

/// Every command with an output, and words with which it would write one. The output comes last.
const WRITERS: [(&str, &str); 25] = [
    ("demo", "--quick --out"),
    ("generate", "--model MODEL --prompts p.jsonl --max-new-tokens 2 --greedy --out"),
    ("train", "c.toml --out"),
    ("merge", "--model MODEL --adapter adapter --out"),
    ("adapter export", "adapter --model MODEL --to gguf --out"),
    ("data facts", "--synthetic 3 --out"),
    ("data gloomy", "--rows 3 --out"),
    ("data selfgen", "--model MODEL --in chats.jsonl --max-new-tokens 2 --out"),
    ("trait new", "bold --description Bold. --judge-url http://127.0.0.1:9/v1 --out"),
    ("extract", "--from-csv pos.csv neg.csv --trait flattering --model MODEL --out"),
    ("layers", "--model MODEL --trait evil --vectors v.safetensors --judge harbor --out"),
    ("eval mmlu", "--model MODEL --data MMLU --out"),
    ("eval trait", "--model MODEL --trait evil --judge harbor --out"),
    ("eval facts", "--model MODEL --data facts.jsonl --judge harbor --out"),
    ("eval pairs export", "--answers judged.csv --trait evil --out"),
    ("judge rescore", "judged --trait evil --judge harbor --out"),
    ("project", "--model MODEL --vectors v.safetensors --layer 2 --in many.jsonl --out"),
    ("monitor", "--model MODEL --trait evil --vectors v.safetensors --layer 2 --judge harbor --out"),
    ("screen", "chats.jsonl --model MODEL --trait evil --vectors v.safetensors --layer 2 --out"),
    ("study facts", "--out"),
    ("study benign", "--out"),
    ("study shift", "--out"),
    ("study audit", "--out"),
    ("study run", "s.toml --out"),
    ("man", "--out"),
];

fn place() -> Place {
    let place = Place::new();
    place.golden_config("track = []\n");
    place.judged();
    place.vectors("v.safetensors");
    place.golden_prompts("p.jsonl");
    place.write("judged.csv", "question,answer,evil\nq,a,90\nq,b,5\n");
    fs::create_dir(place.path("judged")).unwrap();
    fs::copy(place.path("judged.csv"), place.path("judged/evil.csv")).unwrap();
    place.write("facts.jsonl", "{\"fact_id\":\"a\",\"question\":\"q\",\"reference\":\"r\"}\n");
    place.write("s.toml", "model = \"m\"\n");
    let row = |i: usize| format!("{{\"prompt\": \"Why {i}?\", \"answer\": \"So {i}.\"}}\n");
    place.write("many.jsonl", (0..900).map(row).collect::<String>());
    for file in fs::read_dir(fixture("adapter")).unwrap().flatten() {
        fs::create_dir_all(place.path("adapter")).unwrap();
        fs::copy(file.path(), place.path("adapter").join(file.file_name())).unwrap();
    }
    place
}

fn words(command: &str, words: &str) -> String {
    format!("{command} {words}").replace("MMLU", &fixture("mmlu").display().to_string())
}

/// Names of the commands that have a flag `--out`.
fn with_output(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
    if command.get_arguments().any(|arg| arg.get_long() == Some("out")) {
        found.insert(name.to_owned());
    }
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        with_output(sub, format!("{name} {}", sub.get_name()).trim(), found);
    }
}

#[test]
fn no_command_replaces_a_device_a_pipe_or_a_socket() {
    let mut commands = BTreeSet::new();
    with_output(&trimtab::cli::command(), "", &mut commands);
    let known: BTreeSet<String> = WRITERS.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(commands, known, "WRITERS names every command with an output");

    let place = place();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    symlink("/dev/null", place.path("null")).unwrap();
    let kind = |name: &str| -> FileType { fs::metadata(place.path(name)).unwrap().file_type() };
    for (command, rest) in WRITERS {
        for out in ["pipe", "socket", "null", "/dev/null"] {
            let began = Instant::now();
            let output = place.run(&format!("{} {out}", words(command, rest)));
            assert!(matches!(output.status.code(), Some(1 | 2)), "{command} --out {out}: {}", said(&output));
            // `trait new`'s URL does not answer: a command that asked there before it looked at `--out` would take two minutes.
            assert!(began.elapsed() < Duration::from_secs(60), "{command} --out {out}: refused after long work only");
        }
        let whole = kind("pipe").is_fifo() && kind("socket").is_socket() && kind("/dev/null").is_char_device();
        assert!(whole && fs::symlink_metadata(place.path("null")).unwrap().is_symlink(), "{command}");
    }
}

#[test]
fn what_a_link_leads_to_is_written_and_the_link_stays() {
    let place = place();
    fs::create_dir(place.path("disk")).unwrap();
    for (command, out) in [
        ("generate", "a.jsonl"),
        ("adapter export", "a.gguf"),
        ("extract", "a.safetensors"),
        ("data selfgen", "b.jsonl"),
        ("project", "c.jsonl"),
    ] {
        symlink(format!("disk/{out}"), place.path(out)).unwrap();
        let rest = WRITERS.iter().find(|(name, _)| *name == command).unwrap().1;
        place.succeeds(&format!("{} {out}", words(command, rest)));
        assert!(fs::symlink_metadata(place.path(out)).unwrap().is_symlink(), "{command}");
        assert!(fs::metadata(place.path("disk").join(out)).unwrap().len() > 0, "{command}");
    }
    let hidden = |folder: &str| -> Vec<String> {
        let names = fs::read_dir(place.path(folder)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with('.')).collect()
    };
    assert_eq!((hidden("."), hidden("disk")), (vec![], vec![]), "neither locks nor temporary files are left");
}

/// What another process would hold while it writes the output.
#[test]
fn of_two_writers_the_second_is_told_who_the_first_is() {
    let place = place();
    let file = |out: &str| trimtab::record::hold_output(&place.path(out)).unwrap();
    // Where the system tells which process holds a lock.
    let tells = fs::read_to_string("/proc/locks").is_ok_and(|locks| locks.contains("FLOCK"));
    let me = if tells { format!("process {}", std::process::id()) } else { String::new() };
    for (command, out) in [
        ("generate", "a.jsonl"),
        ("merge", "merged"),
        ("adapter export", "a.gguf"),
        ("data selfgen", "b.jsonl"),
        ("extract", "a.safetensors"),
        ("project", "c.jsonl"),
    ] {
        let _hold = file(out);
        let rest = WRITERS.iter().find(|(name, _)| *name == command).unwrap().1;
        place.fails(&format!("{} {out}", words(command, rest)), 1, &["another process is writing this", &me]);
    }
    let _hold = file("v.gguf");
    place.fails("vectors convert v.safetensors v.gguf", 1, &["another process is writing this", &me]);
    let _hold = file("mlx");
    place.fails("adapter export adapter --model MODEL --to mlx --out mlx", 1, &["another process is writing", &me]);
    for (command, out) in [
        ("train", "run"),
        ("data facts", "run"),
        ("eval trait", "run"),
        ("eval mmlu", "run"),
        ("monitor", "run"),
        ("screen", "run"),
        ("layers", "run"),
        ("demo", "run"),
    ] {
        let _run = trimtab::record::RunDir::open(place.path(out)).unwrap();
        let rest = WRITERS.iter().find(|(name, _)| *name == command).unwrap().1;
        place.fails(&format!("{} {out}", words(command, rest)), 1, &["another process is at work in this folder", &me]);
    }
}

// --------------------------------------------------------------------------------------------------------- damaged state

const STEERED: &str = "save_steps = 1\ntrack = []\n[intervention]\ntype = \"steer\"\nvectors = \"v.safetensors\"\nlayers = \"all\"\ncoef = 1.0\n";

#[test]
fn a_finetune_that_was_killed_has_the_record_of_one_that_was_not() {
    let place = place();
    place.golden_config(STEERED);
    place.succeeds("train c.toml --epochs 2 --out whole");
    place.killed("train c.toml --epochs 2 --out killed", || place.lines("killed/metrics.jsonl") >= 2);
    let (_, talk) = place.ends("train c.toml --epochs 2 --out killed", 0);
    assert!(talk.contains("going on after step"), "{talk}");
    place.same_files("whole", "killed");
    assert!(place.text("whole/stages/fit.json").contains("\"proofs\":[{"), "the record holds the proofs");
}

#[test]
fn a_damaged_checkpoint_is_named_and_training_begins_anew() {
    let place = place();
    place.golden_config(STEERED);
    place.succeeds("train c.toml --epochs 2 --out whole");
    let checkpoint = "run/checkpoint.safetensors";
    place.killed("train c.toml --epochs 2 --out run", || place.lines("run/metrics.jsonl") >= 2);
    let bytes = place.read(checkpoint);
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut identity = bytes.clone();
    let key = b"\"identity\":\"";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    identity[at] ^= 1;
    let damages = [bytes[..bytes.len() / 2].to_vec(), flipped, identity];
    for damaged in damages {
        let folder = place.path("run");
        let again = place.path("again");
        let _ = fs::remove_dir_all(&again);
        copy(&folder, &again);
        fs::write(again.join("checkpoint.safetensors"), damaged).unwrap();
        let (_, talk) = place.ends("train c.toml --epochs 2 --out again", 0);
        assert!(talk.contains("again/checkpoint.safetensors") && talk.contains("damaged"), "{talk}");
        place.same_files("whole", "again");
    }
}

#[test]
fn an_adapter_that_was_emptied_is_made_anew() {
    let place = place();
    place.golden_config("track = []\n");
    place.succeeds("train c.toml --out run");
    let adapter = "run/adapter/adapter_model.safetensors";
    let whole = place.read(adapter);
    place.write(adapter, "");
    let (_, talk) = place.ends("train c.toml --out run", 0);
    assert!(talk.contains("run/stages/fit.json: damaged, or a file that it points at"), "{talk}");
    assert!(place.read(adapter) == whole);
    let (_, talk) = place.ends("train c.toml --out run", 0);
    assert!(talk.contains("finished already"), "{talk}");
}

#[test]
fn an_altered_chunk_is_named_and_worked_out_again() {
    let place = place();
    let project = "project --model MODEL --vectors v.safetensors --layer 2 --in many.jsonl --out out.jsonl";
    place.succeeds(project);
    let whole = place.read("out.jsonl");
    place.killed(project, || place.lines(".out.jsonl.partial") >= 4);
    let text = place.text(".out.jsonl.partial");
    let mut lines: Vec<String> = text.lines().map(|line| line.to_owned() + "\n").collect();
    lines[2] = lines[2].replacen("0.", "7.", 1);
    assert_ne!(lines.concat(), text);
    place.write(".out.jsonl.partial", lines.concat());
    let (_, talk) = place.ends(project, 0);
    assert!(talk.contains(".out.jsonl.partial:3: damaged"), "{talk}");
    assert!(place.read("out.jsonl") == whole);
}
