//! Vector files from outside: converted, compared, and steered with as they are.

use std::path::Path;

use trimtab::tensorfile::Dtype;
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
fn tensors_by_layer_are_read_in_every_form_of_torch() {
    let rows = read(&fixture("vectors").join("evil_response_avg_diff.pt")).rows;
    let read = |name: &str| read(&fixture("vectors").join(name));
    for whole in ["tuple_protocol4.pt", "legacy_protocol4.pt", "layers_legacy.pt"] {
        assert_eq!(read(whole).rows, rows, "{whole}");
    }
    let state = read("state_dict.pt");
    assert!(state.rows[0].iter().all(|&x| x == 0.0) && state.rows[1..] == rows[1..], "block N is layer N + 1");
    for (name, layers) in [("layers_protocol5.pt", &[2, 3][..]), ("nested.pt", &[2]), ("dictionary.pt", &[3])] {
        let some = read(name);
        let held: Vec<usize> = (1..=some.layers()).filter(|&layer| some.norm(Layer(layer)) > 0.0).collect();
        assert_eq!(held, layers, "{name}");
        layers.iter().for_each(|&layer| assert_eq!(some.rows[layer], rows[layer], "{name}"));
    }
}

#[test]
fn vectors_of_some_layers_steer_those_layers() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    let generate = "generate --model MODEL --prompts p.jsonl --out a.jsonl --max-new-tokens 4 --greedy --coef 2";
    let pt = theirs("layers_protocol5.pt");
    let (_, notes) = place.ends(&format!("{generate} --vectors {pt} --layer 3"), 0);
    assert!(
        notes.contains("`2` is taken to be layer 2 (block 1), row 2") && notes.contains("nothing above layer 3 of 4"),
        "{notes}"
    );
    place.fails(&format!("{generate} --vectors {pt} --layer 4"), 2, &["it holds nothing at layer 4 (block 3)"]);
    // A single direction: the error leads to a file that steers.
    let one = theirs("direction.pt");
    let convert_it = ["vectors convert FILE OUT.safetensors --layer L"];
    place.fails(&format!("{generate} --vectors {one} --layer 3"), 2, &convert_it);
    convert(&place, &format!("{one} one.safetensors --layer 3"));
    place.ends(&format!("{generate} --vectors one.safetensors --layer 3"), 0);
}

#[test]
fn plain_safetensors_of_other_programs_are_vectors() {
    let place = Place::new();
    let rows = read(&fixture("vectors").join("evil_response_avg_diff.pt")).rows;
    let write = |name: &str, tensors: &[(&str, usize)], metadata: &[(&str, &str)]| {
        let shapes: Vec<_> = tensors.iter().map(|(key, _)| ((*key).to_owned(), vec![64])).collect();
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let row = |key: &str| tensors.iter().find(|(of, _)| *of == key).unwrap().1;
        trimtab::tensorfile::write(&place.path(name), Dtype::F32, &shapes, &metadata, |key| Ok(rows[row(key)].clone()))
            .unwrap();
    };
    write("one.safetensors", &[("vector", 2)], &[]);
    place.fails("vectors show one.safetensors", 2, &["one direction [64]", "--layer L"]);
    convert(&place, "one.safetensors out.safetensors --layer 2");
    assert_eq!(read(&place.path("out.safetensors")).rows[2], rows[2]);
    write("said.safetensors", &[("vector", 3)], &[("layer", "3")]);
    assert_eq!(read(&place.path("said.safetensors")).rows[3], rows[3]);
    write("n.safetensors", &[("layer_2", 2), ("layer_4", 4)], &[]);
    assert_eq!(read(&place.path("n.safetensors")).empty_layers(), [1, 3].map(Layer));
    write("blocks.safetensors", &[("layers.0", 1), ("layers.1", 2), ("layers.2", 3), ("layers.3", 4)], &[]);
    assert_eq!(read(&place.path("blocks.safetensors")).rows[1..], rows[1..]);
    convert(&place, "blocks.safetensors shifted.safetensors --first-row 0 --blocks 4");
    assert_eq!(read(&place.path("shifted.safetensors")).rows[0], rows[1]);
    write("ab.safetensors", &[("a", 1), ("b", 2)], &[]);
    place.fails("vectors show ab.safetensors", 1, &["ab.safetensors: no `response_avg`", "`a`, `b`"]);
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
