//! What the CPU's operations are made of: tensors as slices of f32, vectorised loops, matrix products.

use std::mem::MaybeUninit;

use burn_flex::{Flex, FlexTensor, Layout};
use burn_tensor::{Bytes, DType, Shape, Tensor, TensorPrimitive};
use half::bf16;

/// Elements below which a second thread costs more than it brings.
pub(super) const ELEMENTS_PER_TASK: usize = 1 << 14;

/// The primitive of a tensor, packed.
pub(super) fn packed<const D: usize>(t: &Tensor<Flex, D>) -> FlexTensor {
    let t = t.clone().into_primitive().tensor();
    if t.is_contiguous() { t } else { t.to_contiguous() }
}

/// A packed f32 tensor of a primitive.
pub(super) fn slice(t: &FlexTensor) -> &[f32] {
    t.as_slice::<f32>().expect("packed f32")
}

/// `n` numbers that `write` writes without reading any: the memory is not cleared first.
///
/// # Safety
/// `write` writes all of them.
pub(super) unsafe fn written<T>(n: usize, write: impl FnOnce(*mut T)) -> Vec<T> {
    let mut values = Vec::with_capacity(n);
    write(values.as_mut_ptr());
    // SAFETY: the caller's promise.
    unsafe { values.set_len(n) };
    values
}

/// The same for loops that write each number of their part.
///
/// # Safety
/// `write` writes all of them.
pub(super) unsafe fn filled<T>(n: usize, write: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut values = Vec::with_capacity(n);
    write(&mut values.spare_capacity_mut()[..n]);
    // SAFETY: the caller's promise.
    unsafe { values.set_len(n) };
    values
}

/// A tensor that owns `data`.
pub(super) fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> Tensor<Flex, D> {
    let layout = Layout::contiguous(Shape::from(shape));
    let primitive = FlexTensor::new(Bytes::from_elems(data), layout, DType::F32);
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// The numbers of a packed bf16 tensor.
pub(super) fn bf16_slice(t: &FlexTensor) -> &[bf16] {
    t.as_slice::<bf16>().expect("packed bf16")
}

/// The values of a tensor in f32 or bf16 to be written in place: the tensor's own memory if it has one owner, else a copy.
pub(super) fn own<const D: usize>(t: Tensor<Flex, D>) -> FlexTensor {
    let mut primitive = t.into_primitive().tensor();
    let whole = primitive.is_contiguous() && primitive.layout().start_offset() == 0;
    macro_rules! own {
        ($number:ty) => {{
            // A view of the first rows of a larger tensor may be its last owner.
            let whole = whole && primitive.storage::<$number>().len() == primitive.layout().num_elements();
            if whole && primitive.try_storage_mut::<$number>().is_some() {
                return primitive;
            }
            let packed = if primitive.is_contiguous() { primitive.clone() } else { primitive.to_contiguous() };
            Bytes::from_elems(packed.as_slice::<$number>().expect("packed").to_vec())
        }};
    }
    let copy = match primitive.dtype() {
        DType::BF16 => own!(bf16),
        _ => own!(f32),
    };
    let shape = primitive.layout().shape().clone();
    FlexTensor::new(copy, Layout::contiguous(shape), primitive.dtype())
}

pub(super) fn wrap<const D: usize>(primitive: FlexTensor) -> Tensor<Flex, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

pub(super) fn is_f32<const D: usize>(t: &Tensor<Flex, D>) -> bool {
    t.dtype() == DType::F32
}

/// The primitive of a tensor that is held in this dtype, row after row.
pub(super) fn held_in<const D: usize>(t: &Tensor<Flex, D>, dtype: DType) -> Option<FlexTensor> {
    if t.dtype() != dtype {
        return None;
    }
    let primitive = t.clone().into_primitive().tensor();
    primitive.is_contiguous().then_some(primitive)
}

/// Rows per task for rows of `width` elements.
pub(super) fn rows_per_task(width: usize) -> usize {
    ELEMENTS_PER_TASK.div_ceil(width.max(1))
}

/// Runs a loop compiled for the widest vectors of this machine.
#[inline(always)]
pub(super) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Asks for memory that is read soon, wherever it is.
#[inline(always)]
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "other processors look ahead themselves"))]
pub(super) fn ask_for<T>(first: *const T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        /// Bytes of a cache line.
        const LINE: usize = 64;
        for place in (0..bytes).step_by(LINE) {
            // SAFETY: a prefetch touches nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.cast::<i8>().wrapping_add(place)) };
        }
    }
}

/// e^x within 2 ulp for x <= 88, 0 below -87; in plain arithmetic, so that loops over it vectorise.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Cephes' expf: x = n ln 2 + r, |r| <= ln 2 / 2; ln 2 in two parts keeps r exact.
    let x = x.clamp(-87.3, 88.3);
    let n = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let p = 1.987_569_2e-4_f32;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let y = p * (r * r) + r + 1.0;
    y * f32::from_bits(((n as i32 + 127) << 23) as u32)
}

/// Sum of a term over the places of some slices of one length. Sixteen interleaved partial sums vectorise, and are more exact than
/// one running sum.
#[inline(always)]
pub(super) fn sum_of<const N: usize>(slices: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    const LANES: usize = 16;
    let n = slices[0].len();
    let mut lanes = [0.0f32; LANES];
    // Sixteen at a time as arrays: a loop that checks each index is not vectorised.
    for first in (0..n / LANES).map(|i| i * LANES) {
        let here: [&[f32; LANES]; N] = slices.map(|s| s[first..first + LANES].try_into().expect("as many as lanes"));
        for (j, lane) in lanes.iter_mut().enumerate() {
            *lane += term(here.map(|s| s[j]));
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for i in n / LANES * LANES..n {
        total += term(slices.map(|s| s[i]));
    }
    total
}

/// `out = Σ weights[c] · values[c · stride..]`, with the sums in registers.
#[inline(always)]
pub(super) fn weighted_sum(weights: &[f32], values: &[f32], stride: usize, out: &mut [f32]) {
    // Wide enough that one addition need not wait for another, narrow enough for the registers.
    let mut done = part_of_sum::<64>(weights, values, stride, out, 0);
    done = part_of_sum::<16>(weights, values, stride, out, done);
    part_of_sum::<1>(weights, values, stride, out, done);
}

/// As many whole parts of `out` as there are from a place on; gives the place behind them.
#[inline(always)]
fn part_of_sum<const WIDTH: usize>(
    weights: &[f32],
    values: &[f32],
    stride: usize,
    out: &mut [f32],
    from: usize,
) -> usize {
    let mut place = from;
    for part in out[from..].chunks_exact_mut(WIDTH) {
        let mut sums = [0.0f32; WIDTH];
        for (c, weight) in weights.iter().enumerate() {
            let values: &[f32; WIDTH] = values[c * stride + place..][..WIDTH].try_into().expect("as many as sums");
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        part.copy_from_slice(&sums);
        place += WIDTH;
    }
    place
}

#[inline(always)]
pub(super) fn max_of(values: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = if v > *lane { v } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// A pointer that tasks share; each writes a part of its own.
pub(super) struct Shared<T = f32>(pub *mut T);
// SAFETY: its users write it in unsafe blocks, each of which says why no two tasks write the same place.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

impl<T> Shared<T> {
    pub fn at(self, offset: usize) -> *mut T {
        // By method, so that closures capture the wrapper and not the bare pointer.
        self.0.wrapping_add(offset)
    }
}

/// A matrix in memory: rows, columns and the distance (elements) between neighbours in each direction.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub data: *const f32,
    pub rows: usize,
    pub columns: usize,
    pub row_stride: isize,
    pub column_stride: isize,
}

impl Matrix {
    /// The matrix of a 2-D tensor, transposed views included.
    pub fn of(t: &FlexTensor) -> Self {
        let (shape, strides) = (t.layout().shape(), t.layout().strides());
        let data = t.storage::<f32>()[t.layout().start_offset()..].as_ptr();
        Self { data, rows: shape[0], columns: shape[1], row_stride: strides[0], column_stride: strides[1] }
    }

    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// `out = alpha · out + beta · a · b` (alpha 0 or 1); `out` has unit column stride.
///
/// # Safety
/// The three matrices lie in live memory of the shapes they name, and no other thread touches `out`.
pub(super) unsafe fn gemm(
    out: *mut f32,
    out_stride: usize,
    keep: bool,
    a: Matrix,
    b: Matrix,
    beta: f32,
    parallelism: gemm::Parallelism,
) {
    debug_assert_eq!(a.columns, b.rows);
    // SAFETY: the caller's promise.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out,
            1,
            out_stride as isize,
            keep,
            a.data,
            a.column_stride,
            a.row_stride,
            b.data,
            b.column_stride,
            b.row_stride,
            if keep { 1.0 } else { 0.0 },
            beta,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Multiplications of a product from which on it is shared out between threads; the value is burn-flex's.
pub(super) const SHARED_OUT: usize = 192 * 192 * 192;

/// Multiplications of a typical product from which on a second micro-batch beside the first brings only memory: 141 tokens
/// at Qwen2.5-0.5B's width.
pub(super) const FILLS_THE_CORES: usize = 16 * SHARED_OUT;

pub(super) fn parallelism(m: usize, n: usize, k: usize) -> gemm::Parallelism {
    if m * n * k >= SHARED_OUT { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_plain_loops_at_any_width() {
        const STRIDE: usize = 200;
        let made_up = |n: usize, seed: usize| (0..n).map(move |i| ((i * 37 + seed) % 64) as f32 / 64.0 - 0.5);
        for width in [1, 8, 15, 16, 17, 64, 70, 96, 128, 145] {
            let (weights, values): (Vec<f32>, Vec<f32>) = (made_up(5, 1).collect(), made_up(5 * STRIDE, 2).collect());
            let mut out = vec![9.0; width];
            weighted_sum(&weights, &values, STRIDE, &mut out);
            for (i, found) in out.iter().enumerate() {
                let right: f32 = weights.iter().enumerate().map(|(c, weight)| weight * values[c * STRIDE + i]).sum();
                assert!((found - right).abs() < 1e-5, "{found} for {right} at {i} of {width}");
            }
            let (a, b) = (&values[..width], &values[STRIDE..][..width]);
            let right: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            assert!((sum_of([a, b], |[a, b]| a * b) - right).abs() < 1e-4, "{width}");
        }
    }

    #[test]
    fn exp_is_within_two_ulp() {
        let mut worst = 0.0f64;
        for i in -870..880 {
            let x = i as f32 / 10.0;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "relative error {worst}");
    }
}
