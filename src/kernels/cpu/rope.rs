//! Rotary positions on the CPU (Su et al. 2021, "RoFormer"), in place where the tensor has one owner.

use burn_flex::Flex;
use burn_tensor::Tensor;

use super::primitives::{own, packed, rows_per_task, slice, vectorised, wrap};
use super::profile::{Op, clock, passes};
use super::team::share_out_parts;
use crate::kernels::Turn;

/// [`super::FusedOps::rope`] of queries or keys.
pub(super) fn turned(x: Tensor<Flex, 2>, angles: &Tensor<Flex, 2>, turn: Turn) -> Tensor<Flex, 2> {
    let _clock = clock(Op::Rope, passes(&x, 3, 2));
    let ([_, channels], [_, dim]) = (x.dims(), angles.dims());
    let (half, sign) = (dim / 2, turn.sign());
    let angles = packed(angles);
    let mut x = own(x);
    let at_once = rows_per_task(channels);
    share_out_parts(x.storage_mut::<f32>(), at_once * channels, |part, rows| {
        let angles = &slice(&angles)[part * at_once * dim..];
        vectorised(
            #[inline(always)]
            || {
                for (row, angles) in rows.chunks_exact_mut(channels).zip(angles.chunks_exact(dim)) {
                    let (cos, sin) = angles.split_at(half);
                    for head in row.chunks_exact_mut(dim) {
                        let (first, second) = head.split_at_mut(half);
                        for i in 0..half {
                            let (a, b, sin) = (first[i], second[i], sign * sin[i]);
                            first[i] = a * cos[i] - b * sin;
                            second[i] = b * cos[i] + a * sin;
                        }
                    }
                }
            },
        )
    });
    wrap(x)
}
