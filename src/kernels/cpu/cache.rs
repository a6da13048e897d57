//! Keys and values of earlier tokens, written in place where the tensor has one owner: Burn's `slice_assign` copies the whole
//! cache at every token.

use burn_flex::{Flex, FlexTensor, Layout};
use burn_tensor::{Bytes, DType, Tensor};
use half::bf16;

use super::primitives::{ELEMENTS_PER_TASK, bf16_slice, own, packed, slice, wrap};
use super::profile::{Op, clock, passes};
use super::sums::narrow_all;
use super::team::share_out_parts;
use crate::kernels::Span;

/// [`crate::kernels::FusedOps::hold_keys`].
pub(super) fn hold_keys(keys: Tensor<Flex, 3>, dtype: DType) -> Tensor<Flex, 3> {
    if dtype != DType::BF16 {
        return keys;
    }
    let _clock = clock(Op::Cache, passes(&keys, 1, 2));
    let (shape, keys) = (keys.shape(), packed(&keys));
    let mut narrowed = vec![bf16::ZERO; shape.num_elements()];
    share_out_parts(&mut narrowed, ELEMENTS_PER_TASK, |part, narrowed| {
        narrow_all(&slice(&keys)[part * ELEMENTS_PER_TASK..][..narrowed.len()], 1.0, narrowed);
    });
    wrap(FlexTensor::new(Bytes::from_elems(narrowed), Layout::contiguous(shape), DType::BF16))
}

/// [`crate::kernels::FusedOps::cache_write`].
pub(super) fn write(cache: Tensor<Flex, 3>, new: &Tensor<Flex, 3>, span: &Span<Flex>) -> Tensor<Flex, 3> {
    let _clock = clock(Op::Cache, passes(new, 0, 2));
    let ([_, columns, channels], [_, width, _]) = (cache.dims(), new.dims());
    let (new, in_bf16) = (packed(new), cache.dtype() == DType::BF16);
    let mut cache = own(cache);
    for (row, (new, &at)) in slice(&new).chunks_exact(width * channels).zip(&span.at).enumerate() {
        let place = (row * columns + at) * channels..(row * columns + at + width) * channels;
        match in_bf16 {
            true => narrow_all(new, 1.0, &mut cache.storage_mut::<bf16>()[place]),
            false => cache.storage_mut::<f32>()[place].copy_from_slice(new),
        }
    }
    wrap(cache)
}

/// [`crate::kernels::FusedOps::cache_put`].
pub(super) fn put(cache: Tensor<Flex, 3>, rows: &[usize], new: &Tensor<Flex, 3>) -> Tensor<Flex, 3> {
    let ([_, columns, channels], [_, width, _]) = (cache.dims(), new.dims());
    let (new, in_bf16) = (packed(new), cache.dtype() == DType::BF16);
    let mut cache = own(cache);
    // What is beyond the new columns is written before it is read: each token writes its own column first.
    for (from, &row) in rows.iter().enumerate() {
        let (from, to) = (from * width * channels, row * columns * channels);
        let (from, to) = (from..from + width * channels, to..to + width * channels);
        match in_bf16 {
            true => cache.storage_mut()[to].copy_from_slice(&bf16_slice(&new)[from]),
            false => cache.storage_mut()[to].copy_from_slice(&slice(&new)[from]),
        }
    }
    wrap(cache)
}
