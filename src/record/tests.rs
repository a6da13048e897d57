//! What must hold of files that outlive the process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::{Error, Result};

fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|n| n.ends_with(".tmp")).collect()
}

#[test]
fn a_failed_write_leaves_the_old_file_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    write_atomic(&path, b"old").unwrap();
    let full = write_atomic_with(&path, |w| {
        w.write_all(b"new, but only ha")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    let full = full.unwrap_err();
    assert!(full.to_string().contains("a.json") && full.help().unwrap().contains("free some space"), "{full}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(leftovers(dir.path()), [""; 0]);
    write_atomic(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_place_that_cannot_be_written_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let missing = write_atomic(&dir.path().join("no/such/x"), b"").unwrap_err();
    assert!(missing.help().unwrap().contains("does not exist"), "{missing}");
    let file = dir.path().join("file");
    write_atomic(&file, b"").unwrap();
    let blocked = RunDir::open(file.join("run")).unwrap_err();
    assert!(blocked.to_string().contains("file/run") && blocked.help().is_some(), "{blocked}");
}

#[test]
#[cfg(unix)]
fn a_read_only_folder_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let attempt = write_atomic(&dir.path().join("x"), b"");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // The superuser may write anywhere.
    if let Err(e) = attempt {
        assert!(e.help().unwrap().contains("may write to"), "{e}");
    }
}

#[test]
fn hashes_and_seeds_are_fixed_for_all_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let bytes = vec![7; 200_000];
    write_atomic(&path, &bytes).unwrap();
    assert_eq!(hash_file(&path).unwrap(), hash_bytes(&bytes));
    // BLAKE3's own test vector for the empty input.
    assert!(hash_bytes(b"").as_str().starts_with("af1349b9f5f9a1a6a0404dea36dcc949"));
    assert_eq!(hash_bytes(b"").short(), "af1349b9f5f9");
    assert_eq!(seed_of(1, "q0/r0"), seed_of(1, "q0/r0"));
    assert_ne!(seed_of(1, "q0/r0"), seed_of(2, "q0/r0"));
    assert_ne!(seed_of(1, "q0/r0"), seed_of(1, "q0/r1"));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    step: u64,
}

#[test]
fn a_torn_line_is_dropped_and_a_whole_one_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.jsonl");
    let mut rows = JsonlWriter::open(&path).unwrap();
    (1..=3).for_each(|step| rows.write(&Row { step }).unwrap());
    drop(rows);
    let whole = fs::read(&path).unwrap();

    for (tail, dropped) in [("{\"step\":4", 9), ("{\"step\":4}", 0), ("", 0)] {
        fs::write(&path, [&whole, tail.as_bytes()].concat()).unwrap();
        let mut rows = JsonlWriter::open(&path).unwrap();
        assert_eq!(rows.dropped(), dropped);
        rows.write(&Row { step: 5 }).unwrap();
        let steps: Vec<u64> = read_jsonl::<Row>(&path).unwrap().into_iter().map(|r| r.step).collect();
        assert_eq!(steps, if tail.ends_with('}') { vec![1, 2, 3, 4, 5] } else { vec![1, 2, 3, 5] });
    }
}

#[test]
fn a_malformed_line_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    fs::write(&path, "\u{feff}{\"step\":1}\r\n\n{\"step\":\"two\"}\n").unwrap();
    let error = read_jsonl::<Row>(&path).unwrap_err().to_string();
    assert!(error.contains("rows.jsonl:3:"), "{error}");
}

#[test]
fn a_stage_is_reused_only_for_the_same_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::open(dir.path().join("run")).unwrap();
    let (a, b) = (Hash::of("a"), Hash::of("b"));
    let take = |key: &Hash, value: u64| run.stage("fit", key, || Ok(value)).unwrap();
    assert_eq!(take(&a, 1), (1, Reused::New));
    assert_eq!(take(&a, 2), (1, Reused::Yes));
    assert_eq!(take(&b, 3), (3, Reused::Stale));
    run.stage("fit", &a, || Ok("another form".to_owned())).unwrap();
    assert_eq!(take(&b, 3), (3, Reused::Stale));
    fs::write(run.file("stages/fit.json"), b"{\"key\":").unwrap();
    assert_eq!(take(&b, 4), (4, Reused::Corrupt));
    assert_eq!(run.stage_if("fit", &b, |_| false, || Ok(5)).unwrap(), (5, Reused::Corrupt));
    let altered = fs::read_to_string(run.file("stages/fit.json")).unwrap().replace("\"value\":5", "\"value\":6");
    fs::write(run.file("stages/fit.json"), altered).unwrap();
    assert!(run.take_damage().len() == 2);
    assert_eq!(take(&b, 7), (7, Reused::Corrupt));
    let told = run.take_damage();
    assert!(told.len() == 1 && told[0].contains("stages/fit.json: damaged"), "{told:?}");

    let failed = run.stage("eval", &a, || -> Result<u64> { Err(Error::new("killed")) });
    assert!(failed.is_err());
    assert_eq!(run.stage("eval", &a, || Ok(6)).unwrap(), (6, Reused::New));
    assert!(run.stage("../out", &a, || Ok(7)).is_err());
}

#[test]
fn a_value_that_is_not_a_number_is_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::open(dir.path()).unwrap();
    let error = run.stage("loss", &Hash::of("a"), || Ok(f64::NAN)).unwrap_err();
    assert!(error.help().unwrap().contains("NaN"), "{error}");
    assert!(!run.file("stages/loss.json").exists());
}

#[test]
fn a_folder_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::open(dir.path()).unwrap();
    fs::write(run.file("stages/.fit.json.1.0.tmp"), b"{").unwrap();
    let second = RunDir::open(dir.path()).unwrap_err();
    assert!(second.to_string().contains("another process"), "{second}");
    drop(run);
    let run = RunDir::open(dir.path()).unwrap();
    assert_eq!(leftovers(&run.file("stages")), [""; 0]);
}

#[test]
fn several_processes_share_a_folder_piece_by_piece() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (RunDir::join(dir.path()).unwrap(), RunDir::join(dir.path()).unwrap());
    fs::write(first.file("stages/.fit.json.1.0.tmp"), b"{").unwrap();
    let claim = first.claim("fit+1.25", Duration::ZERO).unwrap();
    let lock = first.file("work/fit+1.25.lock");
    assert_eq!((is_held(&lock), is_held(&first.file("work/none.lock"))), (Some(true), Some(false)));
    let refused = second.claim("fit+1.25", Duration::ZERO).unwrap_err();
    assert!(refused.to_string().contains("work/fit+1.25: another process"), "{refused}");
    second.claim("other", Duration::ZERO).unwrap();
    assert!(RunDir::open(dir.path()).is_err(), "alone beside others");
    drop(claim);
    assert_eq!(is_held(&lock), Some(false));
    second.claim("fit+1.25", Duration::ZERO).unwrap();
    // What others are writing is not swept away.
    assert_eq!(leftovers(&first.file("stages")).len(), 1);
    drop((first, second));
    let alone = RunDir::open(dir.path()).unwrap();
    assert!(RunDir::join(dir.path()).is_err(), "beside one who is alone");
    assert_eq!(leftovers(&alone.file("stages")), [""; 0]);
}

#[test]
fn who_only_reads_works_nothing_out() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::open(dir.path()).unwrap();
    let (a, b, reading) = (Hash::of("a"), Hash::of("b"), run.reading());
    let read = |key: &Hash| reading.stage("fit", key, || -> Result<u64> { panic!("worked out") });
    assert_eq!(read(&a).unwrap_err().to_string(), "`fit` has not been worked out yet");
    run.stage("fit", &a, || Ok(1)).unwrap();
    assert_eq!(read(&a).unwrap(), (1, Reused::Yes));
    assert!(read(&b).unwrap_err().to_string().contains("from other inputs"));
}

#[test]
fn a_run_folder_tells_what_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::open(dir.path()).unwrap();
    let mut lock = Lock::new("cpu f32", vec![1, 2]);
    lock.hashes.insert("model".into(), hash_bytes(b"m"));
    run.write_lock(&lock).unwrap();
    run.write_config(&BTreeMap::from([("coef", 1.25)])).unwrap();
    assert!(fs::read_to_string(run.file("run.toml")).unwrap().starts_with("coef = 1.25\n# BLAKE3"));
    assert_eq!(run.config().unwrap().whole().unwrap()["coef"].as_float(), Some(1.25));
    assert_eq!(run.lock().unwrap(), Kept::Whole(lock.clone()));
    assert!(lock.rows().contains(&("seeds".into(), "1, 2".into())));
}

#[test]
fn of_many_malformed_rows_ten_are_named() {
    let mut bad = Malformed::default();
    assert!(bad.refuse(3).is_ok());
    (0..1000).for_each(|i| bad.push(format!("f:{i}: no")));
    let error = bad.refuse(5).unwrap_err().to_string();
    assert!(
        error.starts_with("1000 of 1005 rows are malformed: f:0: no; ") && error.ends_with("and 990 more"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_device_that_never_ends_is_no_file() {
    for e in [hash_file(Path::new("/dev/zero")).unwrap_err(), Lines::open(Path::new("/dev/zero")).unwrap_err()] {
        assert!(e.to_string().starts_with("/dev/zero: is a device") && e.exit_code() == 2, "{e}");
    }
}
