//! How weights are held, and where the time goes.

use crate::support::place::Place;

#[test]
fn eight_bit_weights_answer_and_do_not_learn() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    let generate = "generate --model MODEL --prompts p.jsonl --max-new-tokens 8 --greedy --device cpu";
    let (_, said) = place.ends(&format!("{generate} --out q8.jsonl --dtype q8"), 0);
    assert!(said.contains("device: cpu (q8)"), "{said}");
    // Held another way it is another run: the answers are not taken for those of f32.
    place.succeeds(&format!("{generate} --out f32.jsonl --dtype f32"));
    assert_eq!(place.lines("q8.jsonl"), place.lines("f32.jsonl"));
    place.golden_config("");
    place.fails("train c.toml --out t --device cpu --dtype q8", 2, &["--dtype q8: 8-bit weights are for generation"]);
    place.fails(&format!("{generate} --out x.jsonl --dtype q4"), 2, &["there are auto, f32, f16, bf16 and q8"]);
}

#[test]
fn auto_says_why_it_takes_a_dtype() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    let (_, said) =
        place.ends("generate --model MODEL --prompts p.jsonl --out a.jsonl --max-new-tokens 1 --device cpu", 0);
    let reasons = ["the checkpoint is not in bf16", "this processor has no products of bf16"];
    assert!(reasons.iter().any(|why| said.contains(&format!("device: cpu (f32): {why}"))), "{said}");
}

#[test]
fn a_profile_tells_where_the_time_went() {
    let place = Place::new();
    place.golden_prompts("p.jsonl");
    let words = "generate --model MODEL --prompts p.jsonl --out a.jsonl --max-new-tokens 4 --device cpu";
    let (_, said) = place.ends(&format!("{words} --profile --quiet"), 0);
    let row = |name: &str| -> Vec<f64> {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {said}"));
        line.split_whitespace().map(|cell| cell.trim_end_matches('%').parse().unwrap()).collect()
    };
    let (products, attention) = (row("x · Wᵀ"), row("attention "));
    // Four blocks and a head of 4 x 4 + 1 products a pass at least, and one attention a block.
    assert!(products[0] >= 17.0 && attention[0] >= 4.0 && products[3] > 0.0 && products[5] > 0.0, "{said}");
    assert!(said.contains("GFLOP/s in f32") && said.contains("everything else"), "{said}");
    assert!(!place.ends(&format!("{} --quiet", words.replace("a.jsonl", "b.jsonl")), 0).1.contains("profile"));
}
