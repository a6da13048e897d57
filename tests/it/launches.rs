//! How many kernels a GPU is asked to begin: per block of a decode step, per block of a training pass, per step of the optimiser. On a
//! laptop each costs tens of microseconds whatever it computes, so these numbers are the speed of small models there.
//!
//! CubeCL writes a line for each kernel into a file. A child process does a piece of work of given sizes; differences of such pieces leave
//! what one block or one step adds.

use std::path::Path;

use burn::backend::Wgpu;
use trimtab::generate::{Engine, Job, Vocabulary};
use trimtab::language_model::Sampling;
use trimtab::model::peft::{Adapter, AdapterConfig, Targets};
use trimtab::model::{Qwen, QwenConfig};
use trimtab::text::TrainingExample;
use trimtab::train::{FitContext, FitSettings};

use crate::support::backends::{child_with, task, wgpu_device};
use crate::support::goldens::fixture;
use crate::support::reference::steps;

/// A piece of work.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// Answers of two rows, so many tokens long.
    Decode { blocks: usize, tokens: usize },
    /// Steps of a LoRA finetune on all seven projections.
    Train { blocks: usize, steps: usize, accumulation: usize },
}

impl Work {
    fn words(self) -> String {
        match self {
            Self::Decode { blocks, tokens } => format!("decode {blocks} {tokens} 0"),
            Self::Train { blocks, steps, accumulation } => format!("train {blocks} {steps} {accumulation}"),
        }
    }

    fn parse(words: &str) -> Self {
        let mut words = words.split(' ');
        let kind = words.next().unwrap();
        let mut number = || words.next().unwrap().parse().unwrap();
        let (blocks, n, accumulation) = (number(), number(), number());
        match kind {
            "decode" => Self::Decode { blocks, tokens: n },
            _ => Self::Train { blocks, steps: n, accumulation },
        }
    }

    fn run(self) {
        let device = wgpu_device().unwrap();
        let of = |blocks| {
            let config = QwenConfig { num_hidden_layers: blocks, ..QwenConfig::read(&fixture("tiny")).unwrap() };
            Qwen::<Wgpu>::random(config, 0, &device)
        };
        match self {
            Self::Decode { blocks, tokens } => {
                let model = of(blocks);
                let job = |id: usize| Job { id: id.to_string(), prompt: (0..6 + id as u32).collect(), coefs: None };
                // Nothing ends an answer but its length.
                let vocabulary = Vocabulary { len: model.config.vocab_size, eos_ids: Vec::new() };
                let sampling = Sampling::greedy(tokens);
                let replies =
                    Engine::new(model, vocabulary).generate(&[job(0), job(1)], &sampling, &mut |_| {}).unwrap();
                assert!(replies.iter().all(|reply| reply.tokens.len() == tokens));
            }
            Self::Train { blocks, steps: n, accumulation } => {
                let model = of(blocks);
                let adapter = Adapter::fresh(
                    AdapterConfig::new(4, 8.0, true, Targets::Pattern("all-linear".into())),
                    &model.config,
                    0,
                )
                .unwrap();
                let mut model = model.with_adapter(&adapter);
                let example = TrainingExample { ids: (0..12).collect(), weights: vec![1.0; 12] };
                let examples = vec![example; 2 * accumulation * n];
                let settings =
                    FitSettings { micro_batch: 2, accumulation, max_steps: Some(n), ..FitSettings::default() };
                assert_eq!(steps(&mut model, &FitContext::new(&examples, 0, &settings)).len(), n);
            }
        }
    }
}

/// The child's side.
#[test]
#[ignore = "is run by the test below"]
fn child() {
    Work::parse(&task()).run();
}

/// How many kernels the work begins: the second time, when the fastest variants are known.
fn launches(work: Work, dir: &Path) -> usize {
    let log = dir.join("launches.log");
    let settings = format!("[profiling.logger]\nlevel = \"minimal\"\nfile = {log:?}\n");
    let run = || {
        let _ = std::fs::remove_file(&log);
        child_with("launches::child", &work.words(), &settings, dir);
        std::fs::read_to_string(&log).unwrap()
    };
    run();
    let lines = run();
    // For somebody who wants to see which.
    if let Some(folder) = std::env::var_os("TRIMTAB_LAUNCHES") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(work.words().replace(' ', "-")), &lines).unwrap();
    }
    lines.lines().count()
}

#[test]
fn a_step_begins_few_kernels() {
    if let Err(why) = wgpu_device() {
        eprintln!("skipped: {why}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let decode = |blocks, tokens| launches(Work::Decode { blocks, tokens }, dir.path());
    let step = |blocks| decode(blocks, 7) - decode(blocks, 6);
    let (two, three) = (step(2), step(3));
    let block = three - two;
    eprintln!("a decode step: {block} for a block, {} besides", two - 2 * block);

    let train = |blocks, steps, accumulation| launches(Work::Train { blocks, steps, accumulation }, dir.path());
    let pass = |blocks| train(blocks, 1, 3) - train(blocks, 1, 2);
    let (two, three) = (pass(2), pass(3));
    let training = three - two;
    eprintln!("a training pass: {training} for a block, {} besides", two - 2 * training);
    let optimiser = train(2, 3, 1) - train(2, 2, 1) - two;
    eprintln!("an optimiser's step: {optimiser} for two blocks");
    assert!(block <= BLOCK && training <= TRAINING && optimiser <= OPTIMISER, "{block}, {training}, {optimiser}");
}

/// The most that a block of a decode step begins.
const BLOCK: usize = 12;
/// The most that forward and backward of a block begin, with LoRA on seven projections.
const TRAINING: usize = 80;
/// The most that an optimiser's step begins, however many tensors there are.
const OPTIMISER: usize = 30;
