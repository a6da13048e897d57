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
    let reasons = ["the checkpoint is not in bf16", "this processor multiplies bf16 no faster than f32"];
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

/// Half precision on a GPU, which holds it whether it computes in it or not (guide: method, "Dtypes").
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
mod wgpu {
    use burn_flex::Flex;
    use burn_tensor::DType;
    use burn_wgpu::Wgpu;
    use trimtab::generate::{Engine, Job, Vocabulary};
    use trimtab::kernels::FusedOps;
    use trimtab::language_model::Sampling;
    use trimtab::model::peft::Adapter;
    use trimtab::model::{Architecture, Learning, Transformer, WeightStorage};
    use trimtab::train;

    use super::*;
    use crate::support::backends::wgpu_device;
    use crate::support::goldens::{Goldens, assert_close};
    use crate::support::reference::values;

    /// What a model says of ten texts: logits, greedy answers, and the adapter's loss and gradients.
    struct Said {
        logits: Vec<f32>,
        answers: Vec<Vec<u32>>,
        loss: Vec<f32>,
        gradients: Vec<f32>,
    }

    fn say<B: FusedOps>(model: Transformer<B>, goldens: &Goldens) -> Said {
        let vocabulary = model.config.vocab_size;
        let text = |n: usize| -> Vec<u32> { (0..n as u32 + 3).map(|i| (i * 37 + n as u32 * 101) % 500).collect() };
        let jobs: Vec<Job> = (0..10).map(|n| Job { id: n.to_string(), prompt: text(n), coefs: None }).collect();
        // A part of the vocabulary, as where a model has more rows than its tokenizer has tokens.
        let tokens = Vocabulary { len: vocabulary - 3, eos_ids: Vec::new() };
        let replies = Engine::new(model.clone(), tokens).generate(&jobs, &Sampling::greedy(12), &mut |_| {}).unwrap();
        let logits = (0..10).step_by(4).flat_map(|n| model.logits_of(&text(n))).collect();
        let adapter = Adapter::read(&goldens.adapter, &model.config).unwrap();
        let (batch, divisor) = goldens.batch(4);
        let found = train::gradients(&model.with_adapter(&adapter), Learning::Lora, &batch, divisor, false, None);
        Said {
            logits,
            answers: replies.into_iter().map(|reply| reply.tokens).collect(),
            loss: values(found.loss),
            gradients: found.parameters.into_iter().flat_map(values).collect(),
        }
    }

    /// As the goldens are held against PyTorch, with the same weights in f32 on the other side; and with tables in two parts.
    #[test]
    fn half_precision_on_wgpu_is_f32_of_the_same_weights() {
        let device = match wgpu_device() {
            Ok(device) => device,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        for goldens in Goldens::all() {
            let whole = goldens.load::<Flex>(&Default::default());
            for (dtype, stored) in [(DType::F16, safetensors::Dtype::F16), (DType::BF16, safetensors::Dtype::BF16)] {
                let dir = tempfile::tempdir().unwrap();
                whole.save(dir.path(), stored, Some(&goldens.model)).unwrap();
                let want =
                    say(Transformer::<Flex>::load(dir.path(), &Default::default(), DType::F32).unwrap(), goldens);
                let config = &whole.config;
                let half = (config.vocab_size.div_ceil(2) * config.hidden_size * 4) as u64;
                for tensor_bytes_max in [u64::MAX, half] {
                    // All of it once; architectures differ in nothing that matters here.
                    let whole_in_bf16 = dtype == DType::BF16 && tensor_bytes_max == u64::MAX;
                    if goldens.architecture != Architecture::Qwen2 && !whole_in_bf16 {
                        continue;
                    }
                    let storage = WeightStorage { dtype, tensor_bytes_max };
                    let model = Transformer::<Wgpu>::load(dir.path(), &device, storage).unwrap();
                    let parts = model.embed_tokens.parts().len();
                    assert_eq!(parts, if tensor_bytes_max == half { 2 } else { 1 });
                    assert_eq!(model.embed_tokens.parts()[0].dtype(), dtype);
                    let found = say(model, goldens);
                    let name = format!("{} in {dtype:?}, {parts} parts", goldens.architecture.name());
                    let off = assert_close(&format!("{name}: logits"), &found.logits, &want.logits, 1e-4);
                    assert_eq!(found.answers, want.answers, "{name}");
                    assert_close(&format!("{name}: loss"), &found.loss, &want.loss, 1e-5);
                    assert_close(&format!("{name}: gradients"), &found.gradients, &want.gradients, 2e-5);
                    eprintln!("{name}: logits off by {off:e} at most");
                }
            }
        }
    }

    /// From the command line, where `auto` goes by the checkpoint.
    #[test]
    fn dtypes_on_wgpu_are_taken_by_name() {
        if let Err(why) = wgpu_device() {
            return eprintln!("skipped: {why}");
        }
        let place = Place::new();
        place.golden_prompts("p.jsonl");
        let name = trimtab::device::devices().into_iter().find(|one| one.binding_max.is_some()).unwrap().name;
        let generate = format!("generate --model MODEL --prompts p.jsonl --max-new-tokens 8 --greedy --device {name}");
        place.succeeds(&generate.replace(&name, "cpu").replace("--greedy", "--greedy --dtype f32 --out cpu.jsonl"));
        for dtype in ["f32", "f16", "bf16"] {
            let (_, said) = place.ends(&format!("{generate} --out {dtype}.jsonl --dtype {dtype}"), 0);
            assert!(said.contains(&format!("device: {name} ({dtype})")), "{said}");
        }
        let texts = |name: &str| place.rows(name).iter().map(|row| row["token_ids"].clone()).collect::<Vec<_>>();
        assert_eq!(texts("f32.jsonl"), texts("cpu.jsonl"));
        let (_, said) = place.ends(&format!("{generate} --out auto.jsonl"), 0);
        assert!(said.contains(&format!("device: {name} (f32): the checkpoint is not in half precision")), "{said}");
        place.fails(&format!("{generate} --out x.jsonl --dtype q8"), 2, &["--dtype q8: this device cannot"]);
    }
}
