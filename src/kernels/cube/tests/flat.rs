//! Tensors in one buffer: one step of the optimiser for all of them, one transfer, and nothing that somebody keeps is written over.

use std::ops::Range;

use burn_flex::Flex;
use burn_tensor::Tensor;
use burn_wgpu::Wgpu;

use super::super::flat::{joined, split};
use super::super::tensors::tensor;
use super::support::{both, close, device};
use crate::kernels::{AdamStep, FusedOps, Lora, Moments, Turn, composed};

/// Lengths of which some end where a buffer may begin and some do not.
const LENS: [usize; 6] = [256, 1024, 100, 512, 64, 7];

fn step(step: usize, weight_decay: f64) -> AdamStep {
    AdamStep { lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay, step }
}

#[test]
fn many_tensors_are_stepped_at_once() {
    let Some(device) = device() else { return };
    let (scale, gscale) = both([1], 99, &device);
    let (gradients, drawn): (Vec<_>, Vec<_>) = LENS.iter().zip(0..).map(|(&n, seed)| both([n], seed, &device)).unzip();
    // Into one buffer, as the backward pass adds them up; what is drawn lies in others.
    let gathered = Wgpu::gathering(&LENS, None, &device);
    let steps: Vec<AdamStep> = (0..LENS.len()).map(|i| step(1, if i == 4 { 0.0 } else { 0.1 })).collect();
    let ranges = Wgpu::together(&gathered);
    let tensors: Vec<usize> = ranges.iter().flat_map(Clone::clone).collect();
    assert_eq!(tensors, (0..LENS.len()).collect::<Vec<_>>());
    assert!(ranges.len() < LENS.len() && ranges[0].len() >= 2, "{ranges:?}");
    assert_eq!(Wgpu::together(&drawn).len(), LENS.len(), "tensors that were made one by one");
    let laid = |range: &Range<usize>| split(&joined(drawn[range.clone()].to_vec()), &LENS[range.clone()]);
    let laid: Vec<Tensor<Wgpu, 1>> = ranges.iter().flat_map(laid).map(tensor).collect();
    assert_eq!(Wgpu::together(&laid), ranges);
    for gradients_there in [&drawn, &laid] {
        let mut here: Vec<Moments<Flex, 1>> = Vec::new();
        let mut there: Vec<Moments<Wgpu, 1>> = Vec::new();
        for (&n, seed) in LENS.iter().zip(10..) {
            let ((a, ga), (b, gb), (c, gc)) =
                (both([n], seed, &device), both([n], seed + 20, &device), both([n], seed + 40, &device));
            here.push((a, b * 0.1, c.powi_scalar(2)));
            there.push((ga, gb * 0.1, gc.powi_scalar(2)));
        }
        // The second time on what the first gave: views, which the kernel overwrites if no clone of one is kept.
        for (time, keeps) in [(1, false), (2, false), (3, true), (4, false)] {
            let steps: Vec<AdamStep> = steps.iter().map(|of| step(time, of.weight_decay)).collect();
            let kept = keeps.then(|| (there.clone(), here.clone()));
            let each = here.into_iter().zip(&gradients).zip(&steps);
            here = each.map(|((state, gradient), step)| composed::adamw(state, gradient, &scale, *step)).collect();
            there = Wgpu::adamw_of_all(there, gradients_there, &gscale, &steps);
            all_close(&format!("step {time}"), &there, &here);
            if let Some((there, here)) = kept {
                all_close("what somebody keeps", &there, &here);
            }
        }
    }
    let squares = composed::sum_of_squares(&gradients);
    close("squares", Wgpu::sum_of_squares(&drawn), squares.clone());
    close("squares in few buffers", Wgpu::sum_of_squares(&laid), squares);
    close("squares of zeros", Wgpu::sum_of_squares(&gathered), Tensor::zeros([1], &Default::default()));
}

/// Ranks that the kernel has columns for.
#[test]
fn gradients_of_great_ranks_are_not_gathered() {
    let Some(device) = device() else { return };
    let of = |rank| Lora { a: both([8, rank], 1, &device).1, b: both([rank, 8], 2, &device).1, scale: 1.0 };
    let (few, many) = (of(128), of(129));
    assert!(Wgpu::gathers(&[&few]) && !Wgpu::gathers(&[&few, &many]));
}

#[test]
fn what_is_uploaded_together_arrives() {
    let Some(device) = device() else { return };
    let floats = |n: usize| (0..n).map(|i| i as f32 * 0.5 - 3.0).collect::<Vec<_>>();
    let sent = [vec![7, -1, i32::MAX], Vec::new(), (0..1000).collect()];
    let (ints, matrices) = Wgpu::upload(
        sent.clone(),
        [(floats(15), [3, 5]), (Vec::new(), [3, 0]), (floats(1), [1, 1]), (floats(640), [5, 128])],
        &device,
    );
    assert_eq!(ints.each_ref().map(|ints| ints.clone().into_data().iter::<i32>().collect::<Vec<_>>()), sent);
    assert_eq!(matrices.each_ref().map(|matrix| matrix.dims()), [[3, 5], [3, 0], [1, 1], [5, 128]]);
    for matrix in &matrices {
        assert_eq!(
            matrix.clone().into_data().to_vec::<f32>().unwrap(),
            floats(matrix.shape().num_elements()),
            "{:?}",
            matrix.dims()
        );
    }
    // As kernels see them: one that turns a part, and one of Burn's.
    let [_, _, _, x] = matrices;
    let last = x.clone().narrow(0, 4, 1).sum().into_scalar();
    assert_eq!(last, floats(640)[512..].iter().sum::<f32>());
    let angles = Tensor::<Wgpu, 2>::ones([5, 4], &device);
    let (turned, _) = Wgpu::rope(x.clone(), x.clone(), &angles, Turn::Forth);
    assert_ne!(turned.into_data(), x.clone().into_data());
    assert_eq!(x.into_data().to_vec::<f32>().unwrap(), floats(640), "written over");
}

fn all_close(what: &str, found: &[Moments<Wgpu, 1>], want: &[Moments<Flex, 1>]) {
    assert_eq!(found.len(), want.len());
    for (i, ((v, m, s), (value, first, second))) in found.iter().zip(want).enumerate() {
        close(&format!("{what}, value {i}"), v.clone(), value.clone());
        close(&format!("{what}, first moment {i}"), m.clone(), first.clone());
        close(&format!("{what}, second moment {i}"), s.clone(), second.clone());
    }
}
