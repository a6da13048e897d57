//! How many kernels a GPU is asked to begin: per block of a decode step, per block of a training pass, per step of the optimiser. On a
//! laptop each costs tens of microseconds whatever it computes, so these numbers are the speed of small models there. And how often
//! numbers go to the device and back while a token is decoded, each of which ends a batch of kernels.
//!
//! CubeCL writes a line for each kernel into a file, wgpu tells of transfers through `log`. A child process does pieces of work of given
//! sizes; their differences leave what one block or one step adds.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn_tensor::{DType, Tensor};
use burn_wgpu::{Wgpu, WgpuDevice};
use trimtab::generate::{Engine, Job, Vocabulary};
use trimtab::language_model::Sampling;
use trimtab::model::peft::{Adapter, AdapterConfig, Targets};
use trimtab::model::{ModelConfig, Transformer};
use trimtab::text::TrainingExample;
use trimtab::train::{FitContext, FitSettings};

use crate::support::backends::{child_with, wgpu_device};
use crate::support::goldens::fixture;
use crate::support::reference::steps;

/// A piece of work.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// Answers of two rows, so many tokens long.
    Decode { blocks: usize, tokens: usize, temperature: f32 },
    /// Steps of a LoRA finetune on all seven projections.
    Train { blocks: usize, steps: usize, accumulation: usize },
}

impl Work {
    fn run(self, device: &WgpuDevice) {
        let of = |blocks| {
            let config = ModelConfig { num_hidden_layers: blocks, ..ModelConfig::read(&fixture("tiny")).unwrap() };
            Transformer::<Wgpu>::random(config, 0, device)
        };
        match self {
            Self::Decode { blocks, tokens, temperature } => {
                let model = of(blocks);
                let job = |id: usize| Job { id: id.to_string(), prompt: (0..6 + id as u32).collect(), coefs: None };
                // Nothing ends an answer but its length.
                let vocabulary = Vocabulary { len: model.config.vocab_size, eos_ids: Vec::new() };
                let sampling = Sampling { temperature, ..Sampling::greedy(tokens) };
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

/// What is counted, in this order: a token more at two depths, a micro-batch more at two depths, a step more, a drawn token more.
const WORKS: [Work; 11] = [
    Work::Decode { blocks: 2, tokens: 6, temperature: 0.0 },
    Work::Decode { blocks: 2, tokens: 7, temperature: 0.0 },
    Work::Decode { blocks: 3, tokens: 6, temperature: 0.0 },
    Work::Decode { blocks: 3, tokens: 7, temperature: 0.0 },
    Work::Train { blocks: 2, steps: 1, accumulation: 2 },
    Work::Train { blocks: 2, steps: 1, accumulation: 3 },
    Work::Train { blocks: 3, steps: 1, accumulation: 2 },
    Work::Train { blocks: 3, steps: 1, accumulation: 3 },
    Work::Train { blocks: 2, steps: 2, accumulation: 2 },
    Work::Decode { blocks: 2, tokens: 6, temperature: 0.7 },
    Work::Decode { blocks: 2, tokens: 7, temperature: 0.7 },
];

/// What the child keeps its transfers in.
const TRANSFERS: &str = "transfers";

/// Counts what wgpu tells of writes to the device and reads from it.
struct Transfers {
    writes: AtomicUsize,
    reads: AtomicUsize,
}

static TRANSFERRED: Transfers = Transfers { writes: AtomicUsize::new(0), reads: AtomicUsize::new(0) };

impl log::Log for Transfers {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("wgpu_core")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let told = record.args().to_string();
        for (what, count) in [("Queue::write_buffer", &self.writes), ("Buffer::map_async", &self.reads)] {
            if told.starts_with(what) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn flush(&self) {}
}

/// The child's side. Each piece is done twice, since the first time the fastest variants are looked for; behind each stands a kernel that
/// nothing else uses.
#[test]
#[ignore = "is run by the test below"]
fn child() {
    log::set_logger(&TRANSFERRED).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let device = wgpu_device().unwrap();
    let mut transfers = String::new();
    for work in WORKS {
        for _ in 0..2 {
            TRANSFERRED.writes.store(0, Ordering::SeqCst);
            TRANSFERRED.reads.store(0, Ordering::SeqCst);
            work.run(&device);
            Tensor::<Wgpu, 1>::ones([2], &device).cumsum(0).into_data();
            let [writes, reads] = [&TRANSFERRED.writes, &TRANSFERRED.reads].map(|count| count.load(Ordering::SeqCst));
            writeln!(transfers, "{writes} {reads}").unwrap();
        }
    }
    std::fs::write(TRANSFERS, transfers).unwrap();
}

/// Of each piece of work the kernels that it begins, what it writes to the device, and what it reads.
fn counted() -> Vec<[usize; 3]> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("launches.log");
    let settings = format!("[profiling.logger]\nlevel = \"minimal\"\nfile = {log:?}\n");
    child_with("launches::child", &settings, &[], dir.path());
    let log = std::fs::read_to_string(log).unwrap();
    // For somebody who wants to see which.
    if let Some(file) = std::env::var_os("TRIMTAB_LAUNCHES") {
        std::fs::write(file, &log).unwrap();
    }
    let mut launches = vec![0];
    for line in log.lines() {
        if line.contains("CumulativeKernel") {
            launches.push(0);
        } else {
            *launches.last_mut().unwrap() += 1;
        }
    }
    let transfers = std::fs::read_to_string(dir.path().join(TRANSFERS)).unwrap();
    let transfers = transfers.lines().map(|line| {
        let (writes, reads) = line.split_once(' ').unwrap();
        [writes, reads].map(|count| count.parse::<usize>().unwrap())
    });
    let each: Vec<[usize; 3]> =
        launches.into_iter().zip(transfers).map(|(n, [writes, reads])| [n, writes, reads]).collect();
    each.chunks_exact(2).map(|pair| pair[1]).collect()
}

#[test]
fn a_step_begins_few_kernels() {
    if let Err(why) = wgpu_device() {
        eprintln!("skipped: {why}");
        return;
    }
    let counts = counted();
    let [two_6, two_7, three_6, three_7, two_2, two_3, three_2, three_3, two_steps, drawn_6, drawn_7] = counts[..]
    else {
        panic!("{counts:?}")
    };
    let kernels = |more: [usize; 3], fewer: [usize; 3]| more[0] - fewer[0];

    let (two, three) = (kernels(two_7, two_6), kernels(three_7, three_6));
    let block = three - two;
    eprintln!("a decode step: {block} kernels for a block, {} besides", two - 2 * block);
    let (two, three) = (kernels(two_3, two_2), kernels(three_3, three_2));
    let training = three - two;
    eprintln!("forward and backward: {training} kernels for a block, {} besides", two - 2 * training);
    // A step's first micro-batch adds its loss to nothing.
    let optimiser = kernels(two_steps, two_2) - (2 * two - 1);
    eprintln!("the optimiser: {optimiser} kernels");
    let most = [BLOCK, TRAINING, OPTIMISER];
    assert!(block <= most[0] && training <= most[1] && optimiser <= most[2], "at most {most:?}");

    for (name, more, fewer) in [
        ("the likeliest", two_7, two_6),
        ("the likeliest of more blocks", three_7, three_6),
        ("a drawn", drawn_7, drawn_6),
    ] {
        // A kernel's own arguments are a write, too, but one that ends no batch.
        let uploads = (more[1] - fewer[1]) - kernels(more, fewer);
        let reads = more[2] - fewer[2];
        eprintln!("{name} token: {uploads} uploads, {reads} read-backs");
        assert_eq!([uploads, reads], [1, 1], "{name} token");
    }
}

/// The most that a block of a decode step begins.
const BLOCK: usize = 12;
/// The most that forward and backward of a block begin, with LoRA on seven projections.
const TRAINING: usize = 60;
/// The most that an optimiser's step begins, for any number of tensors.
const OPTIMISER: usize = 10;

/// A table of tokens beyond what the device binds at once is split, and its model computes what the CPU's does.
#[test]
#[cfg(feature = "cpu")]
fn a_table_beyond_the_binding_limit_is_split() {
    use trimtab::model::WeightStorage;

    let Ok(device) = wgpu_device() else { return };
    let largest = trimtab::device::devices().iter().find_map(|device| device.binding_max).unwrap();
    // Its table would take memory that a laptop has not got, where the device binds gigabytes.
    let tensor_bytes_max = largest.min(128 << 20);
    let hidden = 256;
    let vocab_size = tensor_bytes_max as usize / hidden / 4 + 1000;
    let tiny = ModelConfig::read(&fixture("tiny")).unwrap();
    let config =
        ModelConfig { vocab_size, hidden_size: hidden, num_hidden_layers: 1, tie_word_embeddings: true, ..tiny };
    // The first and the last part, and both sides of the border.
    let border = (tensor_bytes_max as usize / hidden / 4) as u32;
    let ids = [0, 7, border - 1, border, vocab_size as u32 - 1];
    let storage = WeightStorage { dtype: DType::F32, tensor_bytes_max };
    let ours = Transformer::<Wgpu>::made_up(config.clone(), &device, storage).logits_of(&ids);
    let want = Transformer::<burn_flex::Flex>::made_up(config, &Default::default(), storage).logits_of(&ids);
    let top = want.iter().fold(0f32, |top, x| top.max(x.abs()));
    let off = ours.iter().zip(&want).fold(0f32, |off, (a, b)| off.max((a - b).abs()));
    assert!(ours.len() == want.len() && off <= 1e-5 * top, "off by {off} of {top}");
}
