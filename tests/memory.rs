//! Peak memory, counted by an allocator of this binary's own: the formula behind `trimtab plan` against what a finetune
//! really takes. In a binary of its own, because other tests would be counted too.
#![cfg(feature = "cpu")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn_flex::Flex;
use serde_json::json;
use trimtab::model::peft::{Adapter, AdapterConfig, Targets};
use trimtab::model::{Learning, ModelConfig, PROJECTIONS, Transformer};
use trimtab::text::{Rows, TrainingExample};
use trimtab::train::{self, Extent, FitContext, FitSettings, Footprint, Learned, Recompute};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ALL: AtomicUsize = AtomicUsize::new(0);

/// What runs beside a test would be counted too.
static ALONE: Mutex<()> = Mutex::new(());

// SAFETY: the system's allocator does the work; here is only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        ALL.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn shape(blocks: usize) -> ModelConfig {
    let config = json!({
        "model_type": "qwen2", "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": blocks, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 2048, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "tie_word_embeddings": true,
    });
    ModelConfig::from_json(&config).unwrap()
}

/// Bytes that a finetune of two steps takes beside the model: reckoned, and counted.
fn reckoned_and_counted(blocks: usize, width: usize, settings: &FitSettings) -> (f64, f64) {
    let config = shape(blocks);
    let adapter = AdapterConfig::new(8, 16.0, true, Targets::Names(PROJECTIONS.map(str::to_owned).to_vec()));
    let learned = Learned::adapter(&adapter.layout(&config).unwrap());
    let device = Default::default();
    let fresh = Adapter::fresh(adapter, &config, 0).unwrap();
    let mut model = Transformer::<Flex>::random(config.clone(), 0, &device).with_adapter(&fresh);
    let lesson = |i: usize| TrainingExample {
        ids: (0..width).map(|t| ((i + t) % 2048) as u32).collect(),
        weights: vec![1.0; width],
    };
    let lessons: Vec<TrainingExample> = (0..2 * settings.micro_batch * settings.accumulation).map(lesson).collect();
    let largest = Extent::of(&lessons.iter().take(settings.micro_batch).collect::<Vec<_>>());
    let recompute = settings.recompute == Recompute::Always;
    let footprint = Footprint::new::<Flex>(&config, learned, 4, settings, largest, recompute);
    let reckoned = footprint.total - footprint.weights - footprint.adapter - footprint.program;

    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let course = FitContext::new(&lessons, 0, settings);
    train::fit(&mut model, Learning::Lora, &course, &mut |_| ControlFlow::Continue(())).unwrap();
    (reckoned as f64, (PEAK.load(Ordering::Relaxed) - before) as f64)
}

#[test]
fn memory_is_what_the_formula_says() {
    let _alone = ALONE.lock().unwrap();
    let settings = |accumulation, recompute| FitSettings { accumulation, recompute, ..FitSettings::default() };
    // With recomputing, two side by side would be at their widest at the same time or not, as it happens.
    for (blocks, width, settings) in [
        (4, 512, settings(1, Recompute::Never)),
        (4, 512, settings(1, Recompute::Always)),
        (12, 512, settings(1, Recompute::Always)),
        (4, 512, settings(4, Recompute::Never)),
        (4, 1024, settings(1, Recompute::Never)),
        (4, 1024, settings(2, Recompute::Never)),
    ] {
        let (reckoned, counted) = reckoned_and_counted(blocks, width, &settings);
        let ratio = reckoned / counted;
        let what =
            format!("{blocks} blocks, 2 x {width}, accumulation {}, {:?}", settings.accumulation, settings.recompute);
        assert!((0.8..1.2).contains(&ratio), "{what}: {reckoned} reckoned, {counted} counted");
    }
    // Twice the length takes twice the memory: no score matrix is kept, and none is made whole.
    let of = |width| reckoned_and_counted(2, width, &settings(1, Recompute::Never)).1;
    let (short, middle, long) = (of(256), of(512), of(1024));
    let growth = (long - middle) / (middle - short);
    assert!((1.8..2.2).contains(&growth), "256: {short}, 512: {middle}, 1024: {long}");
}

/// A decode step allocates what its rows need, wherever they are: nothing that grows with what was said.
#[test]
fn a_late_token_takes_no_more_memory_than_an_early_one() {
    const COLUMNS: usize = 2048;
    let _alone = ALONE.lock().unwrap();
    let model = Transformer::<Flex>::random(shape(2), 0, &Default::default());
    let mut cache = model.cache(3, COLUMNS);
    let mut step = |at: usize| {
        let mut rows = Rows::whole(&[&[1], &[2], &[3]], vec![1; 3], 0);
        (rows.at, rows.end) = (vec![at; 3], vec![at + 1; 3]);
        let pass = model.pass(&rows, COLUMNS);
        let before = ALL.load(Ordering::Relaxed);
        model.logits(&model.stream(&pass, Some(&mut cache), |_, _| {}));
        ALL.load(Ordering::Relaxed) - before
    };
    // Threads have their buffers from then on.
    for at in [0, COLUMNS - 1, COLUMNS - 1] {
        let _ = step(at);
    }
    let (early, late) = (step(4), step(COLUMNS - 1));
    assert!(late <= early + early / 20, "{early} bytes early, {late} late");
}
