//! Tensors that lie one behind the other in one buffer, so that one launch serves them all, as if they were one: gradients, values and
//! moments of adapters.

use std::ops::Range;

use burn_cubecl::ops::numeric::zeros_client;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, kernel::into_contiguous};
use burn_tensor::{DType, Shape, Tensor};
use cubecl::client::ComputeClient;
use cubecl::zspace::metadata::Metadata;

use super::tensors::{contiguous, tensor};
use crate::kernels::FusedOps;
use crate::kernels::shaders::common::owned;

/// The most bytes of a buffer: a kernel binds it whole.
const BYTES_MAX: u64 = 1 << 30;

/// The largest stretches of tensors that lie one behind the other. One that lies alone is a stretch of its own.
pub(super) fn stretches<R: CubeRuntime>(tensors: &[CubeTensor<R>]) -> Vec<Range<usize>> {
    let places: Vec<Place> = tensors.iter().map(Place::of).collect();
    let mut from = 0;
    let stretch = |places: &[Place]| {
        from += places.len();
        from - places.len()..from
    };
    places.chunk_by(Place::is_before).map(stretch).collect()
}

/// The tensors of one stretch as one, `[elements]`.
pub(super) fn whole<R: CubeRuntime>(stretch: &[CubeTensor<R>]) -> CubeTensor<R> {
    let (first, last) = (&stretch[0], &stretch[stretch.len() - 1]);
    let elements = stretch.iter().map(|part| part.meta.num_elements()).sum();
    let mut handle = first.handle.clone();
    handle.offset_end = Some(last.handle.size() - end(last));
    CubeTensor::new(first.client.clone(), handle, flat(elements), first.device.clone(), first.dtype)
}

/// Tensors as one, `[elements]`: a view of their buffer if they are a stretch, else a copy. It has one owner if each of them had.
pub(super) fn joined<B, R>(parts: Vec<Tensor<B, 1>>) -> CubeTensor<R>
where
    B: FusedOps<FloatTensorPrimitive = CubeTensor<R>>,
    R: CubeRuntime,
{
    let parts: Vec<CubeTensor<R>> = parts.into_iter().map(contiguous).collect();
    match stretches(&parts)[..] {
        [_] => whole(&parts),
        _ => contiguous(Tensor::<B, 1>::cat(parts.into_iter().map(tensor).collect(), 0)),
    }
}

/// Parts of so many elements of one tensor, `[elements]` each: no copies. Every part but the last has to end where a buffer may begin,
/// as those of a stretch do.
pub(super) fn split<R: CubeRuntime>(whole: &CubeTensor<R>, lens: &[usize]) -> Vec<CubeTensor<R>> {
    let all: usize = lens.iter().sum();
    let mut from = 0;
    let part = |&len: &usize| {
        let bytes = |elements: usize| (elements * whole.dtype.size()) as u64;
        let handle = whole.handle.clone().offset_start(bytes(from)).offset_end(bytes(all - from - len));
        from += len;
        CubeTensor::new(whole.client.clone(), handle, flat(len), whole.device.clone(), whole.dtype)
    };
    lens.iter().map(part).collect()
}

/// Zeros of so many elements each, in few buffers.
pub(super) fn zeros<R: CubeRuntime>(
    lens: &[usize],
    client: &ComputeClient<R>,
    device: &R::Device,
) -> Vec<CubeTensor<R>> {
    let memory = &client.properties().memory;
    let most = (memory.max_page_size.min(BYTES_MAX) as usize) / size_of::<f32>();
    let aligned = |len: usize| (len * size_of::<f32>()).is_multiple_of(memory.alignment as usize);
    let mut zeros = Vec::with_capacity(lens.len());
    while zeros.len() < lens.len() {
        let (rest, mut n, mut elements) = (&lens[zeros.len()..], 1, lens[zeros.len()]);
        while n < rest.len() && aligned(rest[n - 1]) && elements + rest[n] <= most {
            elements += rest[n];
            n += 1;
        }
        let whole = zeros_client(client.clone(), device.clone(), Shape::new([elements]), DType::F32);
        zeros.extend(split(&whole, &rest[..n]));
    }
    zeros
}

/// The same tensors, copied where another tensor shares their buffer, so that a write to them changes no other.
pub(super) fn alone<R: CubeRuntime>(tensors: Vec<CubeTensor<R>>) -> Vec<CubeTensor<R>> {
    let stretches = stretches(&tensors);
    let (mut tensors, mut free) = (tensors.into_iter(), Vec::new());
    for stretch in stretches {
        let parts: Vec<_> = tensors.by_ref().take(stretch.len()).map(into_contiguous).collect();
        let lens: Vec<usize> = parts.iter().map(|part| part.meta.num_elements()).collect();
        let whole = whole(&parts);
        drop(parts);
        free.extend(split(&owned(whole), &lens));
    }
    free
}

/// Where a tensor lies.
#[derive(PartialEq)]
struct Place {
    /// What tells its buffer from others: CubeCL compares handles nowhere, and tells their numbers in debug output alone.
    buffer: String,
    bytes: Range<u64>,
    is_contiguous: bool,
}

impl Place {
    fn of<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Self {
        let told = format!("{:?}", tensor.handle.memory);
        let buffer = told.split("location").next().unwrap_or_default().to_owned();
        let is_contiguous = tensor.is_contiguous() && tensor.dtype == DType::F32;
        Self { buffer, bytes: tensor.handle.offset_start.unwrap_or(0)..end(tensor), is_contiguous }
    }

    fn is_before(&self, next: &Self) -> bool {
        let contiguous = self.is_contiguous && next.is_contiguous;
        contiguous && self.bytes.end == next.bytes.start && self.buffer == next.buffer
    }
}

/// The byte of its buffer behind a contiguous tensor.
fn end<R: CubeRuntime>(tensor: &CubeTensor<R>) -> u64 {
    tensor.handle.offset_start.unwrap_or(0) + (tensor.meta.num_elements() * tensor.dtype.size()) as u64
}

fn flat(elements: usize) -> Metadata {
    Metadata::new([elements], [1])
}
