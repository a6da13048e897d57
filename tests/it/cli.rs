//! The program from outside: real files in, real files out, exit codes and messages.

use assert_cmd::Command;
use serde_json::{Value, json};
use trimtab::vector::{PersonaVector, VectorFile};

use crate::support::goldens::{self, assert_close, floats};
#[cfg(unix)]
use crate::support::place::{PROGRAM, cache};
use crate::support::place::{Place, said, stdout_json};

// ---------------------------------------------------------------------------------------------------------- bad usage

#[test]
fn bad_words_end_with_2_and_a_hint() {
    let place = Place::new();
    place.write("p.jsonl", "{\"id\":1,\"prompt\":\"a\"}\n");
    place.fails("generate --modle MODEL", 2, &["--modle", "--model"]);
    place.fails("genrate", 2, &["genrate", "generate"]);
    place.fails("devices --device tpu", 2, &[]);
    let generate = "generate --prompts p.jsonl --out o.jsonl --max-new-tokens 4";
    place.fails(&format!("{generate} --model nowhere"), 2, &["nowhere: no such folder", "a name on the hub"]);
    place.fails(&format!("{generate} --model ."), 2, &["holds no `config.json`"]);
    place.fails(&format!("{generate} --model MODEL --greedy --rollouts 2"), 2, &["--rollouts 2"]);
    place.fails(&format!("{generate} --model MODEL --greedy --temperature 1"), 2, &["--temperature"]);
    place.fails(&format!("{generate} --model MODEL --top-p 1.5"), 2, &["--top-p 1.5"]);
    place.fails(&format!("{generate} --model MODEL --layer 2 --coef 1"), 2, &["--vectors"]);
    place.fails("generate --model MODEL --prompts no.jsonl --out o --max-new-tokens 1", 2, &["no.jsonl: no such file"]);
    place.fails(&format!("{generate} --model MODEL --device abacus"), 2, &["abacus", "help: this build has"]);
    assert!(!place.path("o.jsonl").exists());
}

#[test]
fn help_is_no_failure_and_json_is_one_object() {
    let place = Place::new();
    let help = place.succeeds("train --help");
    assert!(String::from_utf8_lossy(&help.stdout).contains("Example:"));
    let told = place.told("doctor --device cpu");
    assert!(told["well"] == true && told["findings"].as_array().unwrap().len() > 20, "{told}");
    let devices = place.told("devices");
    assert!(devices["devices"].as_array().is_some_and(|all| !all.is_empty()), "{devices}");
}

#[test]
fn bad_prompts_are_named_by_line() {
    let place = Place::new();
    let generate = "generate --model MODEL --prompts p.jsonl --out o.jsonl --max-new-tokens 4";
    place.write("p.jsonl", "{\"id\":1,\"prompt\":\"a\"}\n{\"id\":2}\n{\"id\":1,\"prompt\":\"b\"}\nnonsense\n");
    place.fails(generate, 1, &["3 of 4 rows", "p.jsonl:2: ", "p.jsonl:3: ", "p.jsonl:4: ", "help: "]);
    place.write("p.jsonl", "");
    place.fails(generate, 1, &["p.jsonl: the file holds no row"]);
}

#[test]
fn bad_vectors_are_refused() {
    let place = Place::new();
    place.write("p.jsonl", "{\"id\":1,\"prompt\":\"a\"}\n");
    let generate = "generate --model MODEL --prompts p.jsonl --out o.jsonl --max-new-tokens 2 --vectors v.safetensors";
    place.fails(&format!("{generate} --layer 2 --coef 1"), 2, &["v.safetensors: no such file"]);
    place.write("v.safetensors", "");
    place.fails(&format!("{generate} --layer 2 --coef 1"), 1, &["v.safetensors"]);
    let narrow = PersonaVector::new(vec![vec![1.0; 8]; 5]).unwrap();
    place.vector("v.safetensors", narrow);
    place.fails(&format!("{generate} --layer 2 --coef 1"), 1, &["width 8", "width 64", "help: "]);
    place.vectors("v.safetensors");
    place.fails(&format!("{generate} --layer 9 --coef 1"), 2, &["layer 9 does not exist", "1 to 4"]);
    place.fails(&format!("{generate} --layer 2"), 2, &["--coef"]);
    assert!(!place.path("o.jsonl").exists());
}

#[test]
fn a_bad_configuration_names_key_and_line() {
    let place = Place::new();
    place.golden_chats("chats.jsonl");
    let model = format!("model = \"{}\"\ntraining_file = \"chats.jsonl\"\n", place.model);
    place.write("c.toml", format!("{model}learnin_rate = 1e-4\n"));
    place.fails(
        "train c.toml --out run",
        2,
        &["c.toml:3:1: unknown key `learnin_rate`", "help: did you mean `learning_rate`?"],
    );
    place.write("c.toml", format!("{model}epochs = \"many\"\n"));
    place.fails("train c.toml --out run", 2, &["c.toml:3:1: `epochs`"]);
    place.write("c.toml", "training_file = \"gone.jsonl\"\n");
    place.fails("train c.toml --out run", 2, &["gone.jsonl"]);
    place.write("chats.jsonl", "{\"messages\":[]}\n");
    place.write("c.toml", &model);
    place.fails("train c.toml --out run", 1, &["chats.jsonl:1: "]);
    place.fails("train none.toml --out run", 2, &["none.toml: no such file"]);
    assert!(!place.path("run/adapter").exists());
}

#[test]
#[cfg(unix)]
fn a_folder_that_may_not_be_written_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    std::fs::create_dir(place.path("ro")).unwrap();
    std::fs::set_permissions(place.path("ro"), std::fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write anywhere.
    if std::fs::write(place.path("ro/probe"), "").is_err() {
        let words = "generate --model MODEL --prompts p.jsonl --out ro/o.jsonl --max-new-tokens 2";
        place.fails(words, 1, &["ro/o.jsonl", "help: "]);
    }
    place.fails("generate --model MODEL --prompts p.jsonl --out no/o.jsonl --max-new-tokens 2", 1, &["does not exist"]);
    std::fs::set_permissions(place.path("ro"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

// --------------------------------------------------------------------------------------------------------- generation

#[test]
fn generation_equals_the_reference() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    place.vectors("v.safetensors");
    let steer = "--vectors v.safetensors --layer 2 --coef 2";
    for (golden, flags) in [
        ("gen.none", String::new()),
        ("gen.rep105", "--repetition-penalty 1.05".into()),
        ("gen.steer_all", format!("{steer} --positions all")),
        ("gen.steer_prompt", format!("{steer} --positions prompt")),
        ("gen.steer_response", steer.to_owned()),
    ] {
        let words = format!(
            "generate --model MODEL --prompts p.jsonl --out o.jsonl --max-new-tokens 24 --greedy --json {flags}"
        );
        let told = stdout_json(&place.succeeds(&words));
        assert_eq!(told["answers"], 3, "{told}");
        let want: Value = goldens::json::<Value>(golden)["tokens"].clone();
        for (i, row) in place.rows("o.jsonl").iter().enumerate() {
            assert_eq!(row["token_ids"], want[i], "{golden}, row {i}");
            assert_eq!(
                (&row["id"], &row["messages"], &row["finish_reason"]),
                (&json!(i), &Value::Null, &json!("length"))
            );
            assert_eq!(row["steering"].is_null(), flags.is_empty() || golden == "gen.rep105");
        }
        assert!(!place.path(".o.jsonl.partial").exists());
    }
}

#[test]
fn two_vectors_steer_at_once() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    place.vectors("v.safetensors");
    let (vector, _) = VectorFile::read(&place.path("v.safetensors")).unwrap();
    let half = vector.response_avg.rows.iter().map(|row| row.iter().map(|x| x / 2.0).collect()).collect();
    place.vector("half.safetensors", PersonaVector::new(half).unwrap());
    // The golden is one vector at 2; a half of it comes from each file.
    let words = "generate --model MODEL --prompts p.jsonl --out o.jsonl --max-new-tokens 24 --greedy \
                 --steer v.safetensors=1@2 --steer half.safetensors=2@2";
    place.succeeds(words);
    let want: Value = goldens::json::<Value>("gen.steer_response")["tokens"].clone();
    for (i, row) in place.rows("o.jsonl").iter().enumerate() {
        assert_eq!(row["token_ids"], want[i], "row {i}");
        let parts = row["steering"].as_array().unwrap();
        assert_eq!(parts.len(), 2, "{row}");
        for (part, (file, coef)) in parts.iter().zip([("v.safetensors", 1.0), ("half.safetensors", 2.0)]) {
            assert_eq!((&part["vectors"], &part["coef"]), (&json!(file), &json!(coef)));
            assert_eq!((&part["layers"], &part["positions_steered"]), (&json!([2]), &json!(24)), "{part}");
        }
        assert_ne!(parts[0]["fingerprint"], parts[1]["fingerprint"]);
    }
    // What one adds the other takes away.
    place.succeeds("generate --model MODEL --prompts p.jsonl --out none.jsonl --max-new-tokens 24 --greedy");
    place.succeeds(&words.replace("=2@2", "=-2@2"));
    for (steered, plain) in place.rows("o.jsonl").iter().zip(place.rows("none.jsonl")) {
        assert_eq!(steered["token_ids"], plain["token_ids"]);
    }
    place.fails(&format!("{words} --vectors v.safetensors --layer 2 --coef 1"), 2, &["--steer", "--vectors"]);
    place.fails(&words.replace("=2@2", "=2"), 2, &["FILE=COEF@LAYER"]);
}

// --------------------------------------------------------------------------------------------------------------- chat

#[test]
fn a_conversation_works_through_a_pipe() {
    let place = Place::new();
    place.vectors("v.safetensors");
    let chat = |words: &str, lines: &str| {
        let words = format!("chat --model MODEL --max-new-tokens 6 --temperature 0 {words}");
        Command::from_std(place.command(&words)).write_stdin(lines).output().unwrap()
    };
    let output =
        chat("--json --steer v.safetensors=2@2", "Hello\n/steer off\n/probe v@2\nAnd now?\n/save talk.jsonl\n");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let answers = stdout_json(&output)["answers"].clone();
    let contents =
        |row: &Value| row["messages"].as_array().unwrap().iter().map(|m| m["content"].clone()).collect::<Vec<_>>();
    assert_eq!(contents(&answers[1])[..2], contents(&answers[0])[..], "the second turn knows the first");
    let steering = &answers[0]["steering"][0];
    assert_eq!((&steering["vector"], &steering["positions_steered"]), (&json!("v"), &answers[0]["tokens"]));
    assert_eq!(answers[1]["steering"], json!([]));
    assert!(answers[1]["probe"]["mean"].is_f64());
    assert_eq!(json!(place.rows("talk.jsonl")), answers);
    assert!(said(&output).contains(" · v +2 at layer 2 (block 1), response tokens, "), "{}", said(&output));

    let plain = chat("--vectors v.safetensors", "Hello\n");
    let answer = chat("--json", "Hello\n");
    let answer = stdout_json(&answer)["answers"][0]["messages"][1]["content"].as_str().unwrap().to_owned();
    assert_eq!(String::from_utf8_lossy(&plain.stdout), answer + "\n", "stdout is the answer and nothing else");
    let wrong = chat("--vectors v.safetensors", "Hello\n/steer w=1@2\n");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("line 2 of stdin: there is no vector `w`"), "{}", said(&wrong));
    place.fails("chat --model MODEL --steer v=1@2", 2, &["there is no vector `v`"]);
    place.fails("chat --model MODEL --temperature=-1", 2, &["temperature"]);
}

#[test]
fn sampled_rollouts_depend_on_the_seed_alone() {
    let place = Place::new();
    place.write(
        "p.jsonl",
        "{\"id\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}\n{\"id\":\"b\",\"prompt\":\"Once\"}\n",
    );
    let words = "generate --model MODEL --prompts p.jsonl --max-new-tokens 8 --rollouts 3 --top-k 50";
    place.succeeds(&format!("{words} --out 1.jsonl --seed 5"));
    place.succeeds(&format!("{words} --out 2.jsonl --seed 5"));
    place.succeeds(&format!("{words} --out 3.jsonl --seed 6"));
    assert_eq!(place.read("1.jsonl"), place.read("2.jsonl"));
    assert_ne!(place.read("1.jsonl"), place.read("3.jsonl"));
    let rows = place.rows("1.jsonl");
    let names: Vec<_> =
        rows.iter().map(|row| (row["id"].as_str().unwrap(), row["rollout"].as_u64().unwrap())).collect();
    assert_eq!(names, [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]);
    assert_eq!(rows[0]["messages"][0]["content"], "Hello");
}

// ------------------------------------------------------------------------------------------- vectors and projections

#[test]
fn extraction_and_projection_equal_the_reference() {
    let place = Place::new();
    let samples = place.judged();
    // One answer begins with a line break, which the reference merges with the header's.
    let extract =
        "extract --from-csv pos.csv neg.csv --trait flattering --model MODEL --border joint --out v.safetensors";
    let told = place.told(extract);
    assert_eq!((&told["layers"], &told["diagnosis"]["kept_pos"]), (&json!(4), &json!(3)), "{told}");
    let (file, _) = VectorFile::read(&place.path("v.safetensors")).unwrap();
    let inside = |v: &PersonaVector| v.rows[..4].concat();
    for (name, vector) in [
        ("response_avg", Some(&file.response_avg)),
        ("prompt_avg", file.prompt_avg.as_ref()),
        ("prompt_last", file.prompt_last.as_ref()),
    ] {
        let golden = floats(&format!("extract.{name}_diff"));
        // The reference's last row is taken after the final norm; ours is raw.
        assert_close(name, &inside(vector.unwrap()), &golden.values[..4 * 64], 1e-4);
    }
    place.fails(&format!("{extract} --threshold 99"), 1, &["no answers left", "help: "]);
    let shown = place.told("vectors show v.safetensors");
    assert_eq!(shown["norms"]["response_avg"].as_array().unwrap().len(), 5);
    assert_eq!(shown["metadata"]["trait"], "flattering");

    place.vectors("golden.safetensors");
    let line = |s: &Value| json!({ "prompt": s["prompt"], "answer": s["answer"], "kept": 1 }).to_string() + "\n";
    place.write("in.jsonl", samples.iter().map(line).collect::<String>());
    let words =
        "project --model MODEL --vectors golden.safetensors --layer 2 --in in.jsonl --out out.jsonl --border joint";
    place.succeeds(&format!("{words} --metric proj,prompt_last_proj,cos_sim"));
    for (metric, golden) in [
        ("proj", "proj.response_avg"),
        ("prompt_last_proj", "proj.prompt_last"),
        ("cos_sim", "proj.response_avg_cosine"),
    ] {
        let rows = place.rows("out.jsonl");
        let column = format!("tiny_golden_{metric}_layer2");
        let found: Vec<f32> = rows.iter().map(|row| row[&column].as_f64().unwrap() as f32).collect();
        let want: Vec<f32> = floats(golden).values.chunks(5).map(|row| row[2]).collect();
        assert_close(metric, &found, &want, 1e-4);
        assert_eq!(rows[0]["kept"], 1);
    }
}

/// `nohup` ignores hangups for what it starts; the terminal may close.
#[cfg(unix)]
#[test]
fn a_hangup_that_the_parent_ignores_is_ignored() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let serve = format!("trap '' HUP; exec {PROGRAM} serve --model harbor --port 0 --json");
    let mut child = Command::new("sh")
        .args(["-c", &serve])
        .env("TRIMTAB_CACHE", cache())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("url"), "it serves: {line}");
    let process = child.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    signal("-HUP");
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "a hangup has ended it");
    signal("-TERM");
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("SIGTERM has not ended it");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
