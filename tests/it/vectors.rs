//! Vector files from outside: converted, compared, and steered with as they are.

use std::path::Path;

use trimtab::vector::{Layer, PersonaVector, VectorFile};

use crate::support::goldens::fixture;
use crate::support::place::Place;

fn theirs(name: &str) -> String {
    fixture("vectors").join(name).display().to_string()
}

/// What `vectors convert` prints.
#[track_caller]
fn convert(place: &Place, words: &str) -> String {
    place.ends(&format!("vectors convert {words}"), 0).0
}

fn read(path: &Path) -> PersonaVector {
    VectorFile::read(path).unwrap().0.response_avg
}

#[test]
fn vectors_survive_the_way_through_every_format() {
    let place = Place::new();
    let original = read(&fixture("vectors").join("evil_response_avg_diff.pt"));
    let pt = theirs("evil_response_avg_diff.pt");
    let told = convert(&place, &format!("{pt} a.safetensors --last-row raw"));
    assert!(told.contains("layer 4 (block 3)") && told.contains("row 4"), "{told}");
    let told = convert(&place, "a.safetensors a.gguf");
    let line = told.lines().find(|line| line.starts_with("layer 4 (block 3)")).unwrap();
    assert!(line.contains("direction.3"), "{told}");
    convert(&place, "a.gguf b.pt");
    let back = read(&place.path("b.pt"));
    assert_eq!(back.rows[2..], original.rows[2..]);
    assert_eq!(back.empty_layers(), [Layer(1)]);

    // What transformers gives as the last row is after the final norm: no direction for llama.cpp, unless the user knows better.
    let (told, notes) = place.ends(&format!("vectors convert {pt} post.gguf"), 0);
    assert!(
        !told.contains("direction.3") && notes.contains("after the final norm: layer 4 (block 3)"),
        "{told}{notes}"
    );
    convert(&place, "a.safetensors one.gguf --layers 3");
    assert_eq!(read(&place.path("one.gguf")).empty_layers(), [1, 2, 4].map(Layer));
    place.fails(&format!("vectors convert {pt} a.npy"), 2, &["no kind of vector file"]);
    place.fails(&format!("vectors convert {pt} x.pt --layer 3"), 2, &["--layers 20"]);
}

#[test]
fn three_files_of_one_trait_become_one() {
    let place = Place::new();
    let copy = |from: &str, to: &str| _ = std::fs::copy(fixture("vectors").join(from), place.path(to)).unwrap();
    copy("evil_response_avg_diff.pt", "evil_response_avg_diff.pt");
    copy("f16.pt", "evil_prompt_avg_diff.pt");
    copy("strided.pt", "evil_prompt_last_diff.pt");
    copy("f16.pt", "kind_prompt_last_diff.pt");
    let [response, prompt, last] = ["response_avg", "prompt_avg", "prompt_last"].map(|p| format!("evil_{p}_diff.pt"));
    convert(&place, &format!("{last} {response} {prompt} evil.safetensors"));
    let (file, _) = VectorFile::read(&place.path("evil.safetensors")).unwrap();
    assert_eq!(file.prompt_avg, Some(read(&place.path(&prompt))));
    assert_eq!((file.prompt_last.as_ref(), file.metadata["trait"].as_str()), (Some(&file.response_avg), "evil"));

    convert(&place, "evil.safetensors p.pt --position prompt_avg --trait evil");
    assert_eq!(read(&place.path("p.pt")), read(&place.path(&prompt)));
    place.fails(
        &format!("vectors convert {prompt} {last} x.safetensors"),
        2,
        &["none of the files is of `response_avg`"],
    );
    place.fails(
        &format!("vectors convert {response} kind_prompt_last_diff.pt x.safetensors"),
        2,
        &["of several traits"],
    );
    place.fails(&format!("vectors convert {response} p.pt x.safetensors"), 2, &["tells no token position"]);
}

#[test]
fn files_of_four_programs_are_compared() {
    let place = Place::new();
    let files = ["evil_response_avg_diff.pt", "repeng.gguf", "direction.pt", "ours.gguf"].map(theirs);
    let json = place.told(&format!("vectors compare --layer 3 --figure norms.svg {}", files.join(" ")));
    assert_eq!(json["names"][0], "evil");
    for cosine in json["cosines"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()) {
        assert!((cosine.as_f64().unwrap() - 1.0).abs() < 1e-12, "{json}");
    }
    assert!(json["cosines_per_layer"][0][0][1].is_null(), "a control vector holds nothing for layer 1");
    assert!(place.text("norms.svg").contains("repeng"));
    let text = place.ends(&format!("vectors compare {} {}", files[0], files[1]), 0).0;
    assert!(text.contains("cos evil repeng") && text.contains("layer 2 (block 1)"), "{text}");

    place.vector("wide.safetensors", PersonaVector::new(vec![vec![1.0; 32]; 5]).unwrap());
    place.fails(&format!("vectors compare {} wide.safetensors", files[0]), 2, &["different shapes"]);
}

#[test]
fn foreign_files_steer_as_they_are() {
    let place = Place::new();
    place.write("p.jsonl", "{\"id\": 1, \"prompt\": \"the ship\"}\n");
    let generate = |vectors: &str, layer: &str, out: &str, code: i32| {
        let steer = format!("--vectors {} --coef 0.5 --layer {layer}", theirs(vectors));
        let words = format!("generate --model MODEL --prompts p.jsonl --out {out} --greedy --max-new-tokens 8 {steer}");
        place.ends(&words, code).1
    };
    for (name, out) in [("evil_response_avg_diff.pt", "a.jsonl"), ("repeng.gguf", "b.jsonl")] {
        let said = generate(name, "3", out, 0);
        assert!(said.contains("layer 3 (block 2)"), "{said}");
    }
    assert_eq!(place.rows("a.jsonl")[0]["token_ids"], place.rows("b.jsonl")[0]["token_ids"]);
    let said = generate("evil_response_avg_diff.pt", "4", "c.jsonl", 0);
    assert!(said.contains("the last layer is touched along a row that was taken after the final norm"), "{said}");
    let said = generate("repeng.gguf", "1", "d.jsonl", 2);
    assert!(said.contains("holds nothing at layer 1 (block 0)"), "{said}");
    let said = generate("direction.pt", "3", "e.jsonl", 2);
    assert!(said.contains("of a layer that it does not name"), "{said}");
    convert(&place, &format!("{} one.gguf --layers 3", theirs("ours.gguf")));
    let said = generate(place.path("one.gguf").to_str().unwrap(), "all", "f.jsonl", 2);
    assert!(said.contains("increments need every layer"), "{said}");
}
