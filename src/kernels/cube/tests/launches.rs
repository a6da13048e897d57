//! How many kernels each operation launches on a GPU: launches, not arithmetic, bound the speed of decoding.
#![allow(clippy::print_stdout)] // The parent reads it.

use std::cell::Cell;
use std::process::Command;

use burn_tensor::backend::Backend;
use burn_tensor::{Int, Tensor, TensorData};
use burn_wgpu::Wgpu;

use super::support::device;
use crate::kernels::{AdamStep, Draw, FusedOps, Heads, Lora, Projection, ProjectionGrads, Span, Turn};

/// Marks the beginning of an operation among the lines of CubeCL's log.
const MARK: &str = "operation: ";

/// An operation, the most launches that it may take, and what it does.
type Counted = (&'static str, usize, Box<dyn Fn()>);

/// A new tensor without a launch.
fn fresh<const D: usize>(shape: [usize; D]) -> Tensor<Wgpu, D> {
    let values = vec![0.5f32; shape.iter().product()];
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn operations() -> Vec<Counted> {
    let heads = Heads { query: 4, key_value: 2, dim: 16 };
    let span = |at: usize| Span::<Wgpu>::new(vec![0], vec![at], 1, 400, &Default::default());
    let (short, long) = (span(90), span(390));
    let (write, append) = (span(7), span(7));
    let wide = || Span::<Wgpu>::new(vec![0, 4], vec![0, 0], 20, 20, &Default::default());
    let (training, backward) = (wide(), wide());
    let matrix = || fresh([64, 64]);
    vec![
        (
            "projection of one row",
            1,
            Box::new(move || drop(Wgpu::affine(&fresh([1, 64]), &matrix(), Some(&fresh([64]))))),
        ),
        (
            "projection of one row onto a sum",
            1,
            Box::new(move || {
                let projection = Projection { weight: &matrix(), bias: None, lora: None };
                drop(Wgpu::add_projection(&fresh([1, 64]), &fresh([1, 64]), &projection));
            }),
        ),
        ("rms_norm", 1, Box::new(|| drop(Wgpu::rms_norm(&fresh([9, 64]), &fresh([64]), 1e-6)))),
        (
            "rms_norm_backward",
            1,
            Box::new(|| {
                let (dy, x, gain) = (fresh([9, 64]), fresh([9, 64]), fresh([64]));
                drop(Wgpu::rms_norm_backward(&dy, &x, &gain, 1e-6, fresh([9, 64]), false));
            }),
        ),
        (
            "rms_norm_backward with the gain",
            3,
            Box::new(|| {
                let (dy, x, gain) = (fresh([9, 64]), fresh([9, 64]), fresh([64]));
                drop(Wgpu::rms_norm_backward(&dy, &x, &gain, 1e-6, fresh([9, 64]), true));
            }),
        ),
        ("swiglu", 1, Box::new(|| drop(Wgpu::swiglu(&fresh([9, 64]), &fresh([9, 64]))))),
        (
            "swiglu_backward",
            1,
            Box::new(|| drop(Wgpu::swiglu_backward(&fresh([9, 64]), &fresh([9, 64]), &fresh([9, 64])))),
        ),
        ("rope", 1, Box::new(|| drop(Wgpu::rope(fresh([9, 64]), fresh([9, 32]), &fresh([9, 16]), Turn::Forth)))),
        ("cache_write", 1, Box::new(move || drop(Wgpu::cache_write(fresh([1, 400, 32]), &fresh([1, 1, 32]), &write)))),
        (
            "cache_append",
            1,
            Box::new(move || {
                let (cache, new) = (|| fresh([1, 400, 32]), [fresh([1, 64]), fresh([1, 32]), fresh([1, 32])]);
                drop(Wgpu::cache_append((cache(), cache()), new, &fresh([1, 16]), &append));
            }),
        ),
        ("cache_put", 1, Box::new(|| drop(Wgpu::cache_put(fresh([3, 20, 32]), &[2, 0], &fresh([2, 9, 32]))))),
        (
            "attention of one query, few columns",
            1,
            Box::new(move || {
                let (k, v) = (fresh([1, 400, 32]), fresh([1, 400, 32]));
                drop(Wgpu::causal_attention(&fresh([1, 64]), &k, &v, &short, heads));
            }),
        ),
        (
            "attention of one query, many columns",
            2,
            Box::new(move || {
                let (k, v) = (fresh([1, 400, 32]), fresh([1, 400, 32]));
                drop(Wgpu::causal_attention(&fresh([1, 64]), &k, &v, &long, heads));
            }),
        ),
        (
            "attention of many queries",
            1,
            Box::new(move || {
                let (k, v) = (fresh([2, 20, 32]), fresh([2, 20, 32]));
                drop(Wgpu::causal_attention(&fresh([40, 64]), &k, &v, &training, heads));
            }),
        ),
        (
            "attention of many queries, backward",
            3,
            Box::new(move || {
                let (k, v) = (fresh([2, 20, 32]), fresh([2, 20, 32]));
                let (y, lse) = (|| fresh([40, 64]), fresh([2, 80]));
                drop(Wgpu::causal_attention_backward(&y(), &y(), &k, &v, &y(), Some(&lse), &backward, heads));
            }),
        ),
        (
            "cross_entropy",
            2,
            Box::new(|| {
                let targets = Tensor::from_data([3, 5], &Default::default());
                drop(Wgpu::cross_entropy(fresh([2, 300]), &targets, &fresh([2])));
            }),
        ),
        (
            "adamw",
            1,
            Box::new(|| {
                let step = AdamStep { lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, step: 3 };
                let state = (fresh([7, 9]), fresh([7, 9]), fresh([7, 9]));
                drop(Wgpu::adamw(state, &fresh([7, 9]), &fresh([1]), step));
            }),
        ),
        ("adamw of twenty tensors whose gradients are added up in place", 1, step_of_twenty()),
        (
            "sum of squares of twenty such",
            2,
            Box::new({
                let zeros = twenty();
                move || drop(Wgpu::sum_of_squares(&zeros))
            }),
        ),
        (
            "scatter_rows",
            2,
            Box::new(|| {
                let ids = Tensor::<Wgpu, 1, Int>::from_data([3, 0, 3], &Default::default());
                drop(Wgpu::scatter_rows(&fresh([3, 5]), &ids, 7));
            }),
        ),
        (
            "candidates",
            2,
            Box::new(|| drop(Wgpu::candidates(&fresh([1, 300]), &[Draw { temperature: 1.0, uniform: 0.5 }], None))),
        ),
        (
            "sum of squares of three tensors",
            4,
            Box::new(|| drop(Wgpu::sum_of_squares(&[fresh([9]), fresh([900]), fresh([7])]))),
        ),
        (
            "add_matmul of a low rank",
            1,
            Box::new(|| drop(Wgpu::add_matmul(fresh([9, 64]), &fresh([9, 16]), &fresh([16, 64]), 0.5))),
        ),
        // Each of the frozen matrices, their adapters' first products together, and each sum.
        ("three projections with adapters", 7, Box::new(|| drop(Adapted::new().project(3)))),
        (
            "a projection with an adapter onto a sum",
            3,
            Box::new(|| {
                let adapted = Adapted::new();
                drop(Wgpu::add_projection(&fresh([37, 40]), &fresh([37, 40]), &adapted.projection()));
            }),
        ),
        // The adapters' first products and their gradients' three at a time, each matrix, each sum, and the gradients.
        ("three projections with adapters, backward", 11, Box::new(|| drop(Adapted::new().backward(3)))),
        ("a projection with an adapter, backward", 4, Box::new(|| drop(Adapted::new().backward(1)))),
    ]
}

/// Tensors that lie in one buffer.
fn twenty() -> Vec<Tensor<Wgpu, 1>> {
    Wgpu::gathering(&[256; 20], None, &Default::default())
}

fn step_of_twenty() -> Box<dyn Fn()> {
    let step = AdamStep { lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, step: 3 };
    let states =
        twenty().into_iter().zip(twenty()).zip(twenty()).map(|((value, first), second)| (value, first, second));
    let (states, gradients) = (Cell::new(states.collect::<Vec<_>>()), twenty());
    // Nobody else holds them, the first time.
    Box::new(move || drop(Wgpu::adamw_of_all(states.take(), &gradients, &fresh([1]), &[step; 20])))
}

/// A projection with a bias and an adapter.
struct Adapted {
    weight: Tensor<Wgpu, 2>,
    bias: Tensor<Wgpu, 1>,
    lora: Lora<Wgpu>,
}

impl Adapted {
    fn new() -> Self {
        let lora = Lora { a: fresh([40, 5]), b: fresh([5, 40]), scale: 2.0 };
        Self { weight: fresh([40, 40]), bias: fresh([40]), lora }
    }

    fn projection(&self) -> Projection<'_, Wgpu> {
        Projection { weight: &self.weight, bias: Some(&self.bias), lora: Some(&self.lora) }
    }

    /// So many of them.
    fn several(&self, n: usize) -> Vec<Projection<'_, Wgpu>> {
        std::iter::repeat_with(|| self.projection()).take(n).collect()
    }

    fn project(&self, n: usize) -> Vec<Tensor<Wgpu, 2>> {
        Wgpu::project(&fresh([37, 40]), None, &self.several(n))
    }

    fn backward(&self, n: usize) -> ProjectionGrads<Wgpu> {
        let dys = vec![fresh([37, 40]); n];
        Wgpu::project_backward(&fresh([37, 40]), &dys, None, &self.several(n), true)
    }
}

/// Runs every operation with a mark before it, after once without, since Burn's products are first timed in several variants;
/// [`launches_are_few`] reads the log.
#[test]
#[ignore = "started by launches_are_few, in a folder that makes CubeCL log"]
fn every_operation() {
    let device = Default::default();
    let done = || <Wgpu as Backend>::sync(&device).expect("the device does what it is told");
    for (_, _, operation) in operations() {
        operation();
    }
    for (name, _, operation) in operations() {
        done();
        println!("{MARK}{name}");
        operation();
        done();
    }
    println!("{MARK}end");
}

#[test]
fn launches_are_few() {
    if device().is_none() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("launches-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cubecl.toml"), "[profiling]\nlogger = { level = \"minimal\", stdout = true }\n")
        .unwrap();
    let here = module_path!().split_once("::").expect("below the crate").1;
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{here}::every_operation"), "--ignored", "--nocapture"])
        .current_dir(&folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let log = String::from_utf8_lossy(&output.stdout);
    let mut too_many = Vec::new();
    for (name, most, _) in operations() {
        let of_it = log.lines().skip_while(|line| line.trim() != format!("{MARK}{name}")).skip(1);
        let of_it: Vec<&str> =
            of_it.take_while(|line| !line.starts_with(MARK)).filter(|line| line.contains("Executing ")).collect();
        println!("{name}: {} of {most}", of_it.len());
        assert!(!of_it.is_empty(), "no launch of {name} in the log:\n{log}");
        if of_it.len() > most {
            too_many.push((name, of_it));
        }
    }
    assert!(too_many.is_empty(), "{too_many:#?}");
}
