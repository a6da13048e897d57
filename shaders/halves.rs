//! Matrices in half precision on any device: as words of 32 bits that hold two elements each, which kernels take apart. A device needs no
//! arithmetic, and no type, of 16 bits for that; widening is exact, so what is computed is what f32 gives for the same weights.
//!
//! bf16 is the upper half of an f32. Of an f16 the exponent is moved from bias 15 to bias 127; below its smallest normal number the
//! value is the fraction times 2^-24 (IEEE 754-2019, section 3.4). Infinities and numbers that are none are not asked for.
//!
//! Bytes: 2 are read and 4 written an element, which is the least for a matrix that is then multiplied in f32.

use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use burn_tensor::DType;
use cubecl::cube;
use cubecl::prelude::*;

use super::common::{UNITS_MAX, cubes, empty};

/// How the elements of a frozen matrix lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    F32,
    F16,
    Bf16,
}

impl Element {
    /// That of a dtype in which frozen matrices are held.
    pub fn of(dtype: DType) -> Option<Self> {
        match dtype {
            DType::F32 => Some(Self::F32),
            DType::F16 => Some(Self::F16),
            DType::BF16 => Some(Self::Bf16),
            _ => None,
        }
    }

    /// Elements of a word.
    pub fn in_word(self) -> usize {
        if self == Self::F32 { 1 } else { 2 }
    }
}

/// The number that the lower 16 bits of `half` stand for; the upper ones are zero.
#[cube]
pub fn widened(half: u32, #[comptime] element: Element) -> f32 {
    if comptime!(element == Element::Bf16) {
        f32::reinterpret(half << 16)
    } else {
        let size = half & 0x7fff;
        let small = f32::cast_from(size) * 5.960_464_5e-8;
        let normal = f32::reinterpret((size << 13) + 0x3800_0000);
        let size = select(size < 0x400, small, normal);
        select(half < 0x8000, size, -size)
    }
}

/// One unit per word.
#[cube(launch_unchecked)]
fn widen(words: &Array<u32>, out: &mut Array<f32>, n: u32, #[comptime] element: Element) {
    let first = ABSOLUTE_POS * 2;
    if first < n as usize {
        let word = words[ABSOLUTE_POS];
        out[first] = widened(word & 0xffff, element);
        if first + 1 < n as usize {
            out[first + 1] = widened(word >> 16, element);
        }
    }
}

/// A half-precision tensor as words.
pub fn words<R: CubeRuntime>(tensor: &CubeTensor<R>) -> ArrayArg<R> {
    // Safety: a buffer is never shorter than the words that hold its tensor's elements: allocations are aligned to more than a word.
    unsafe { ArrayArg::from_raw_parts(tensor.handle.clone(), tensor.meta.num_elements().div_ceil(2)) }
}

/// A contiguous half-precision matrix in f32.
pub fn wide<R: CubeRuntime>(matrix: &CubeTensor<R>, element: Element) -> CubeTensor<R> {
    let [rows, columns] = matrix.meta.shape().dims();
    let (out, n) = (empty(matrix, [rows, columns]), rows * columns);
    if n == 0 {
        return out;
    }
    // Safety: every unit looks whether its elements exist.
    unsafe {
        widen::launch_unchecked(
            &matrix.client,
            cubes(n.div_ceil(2).div_ceil(UNITS_MAX as usize)),
            CubeDim::new_1d(UNITS_MAX),
            words(matrix),
            out.clone().into_array_arg(),
            n as u32,
            element,
        );
    }
    out
}

/// One unit per element of the output.
#[cube(launch_unchecked)]
fn gather<I: Int>(
    words: &Array<u32>,
    ids: &Array<I>,
    out: &mut Array<f32>,
    n: u32,
    channels: u32,
    stride: u32,
    #[comptime] element: Element,
    #[define(I)] _dtype: StorageType,
) {
    if ABSOLUTE_POS < n as usize {
        let channels = channels as usize;
        let row = u32::cast_from(ids[ABSOLUTE_POS / channels]) as usize;
        let at = row * stride as usize + ABSOLUTE_POS % channels;
        let word = words[at / 2];
        out[ABSOLUTE_POS] = widened(select(at % 2 == 0, word & 0xffff, word >> 16), element);
    }
}

/// Rows of a half-precision matrix in f32: `[n] -> [n, channels]`; the caller has seen that they are there. Rows may lie apart.
pub fn rows_of<R: CubeRuntime>(matrix: &CubeTensor<R>, ids: CubeTensor<R>, element: Element) -> CubeTensor<R> {
    let ([_, channels], [rows]) = (matrix.meta.shape().dims(), ids.meta.shape().dims());
    let (out, n) = (empty(matrix, [rows, channels]), rows * channels);
    if n == 0 {
        return out;
    }
    let dtype = ids.dtype;
    // Safety: every unit looks whether its element exists.
    unsafe {
        gather::launch_unchecked(
            &matrix.client,
            cubes(n.div_ceil(UNITS_MAX as usize)),
            CubeDim::new_1d(UNITS_MAX),
            words(matrix),
            ids.into_array_arg(),
            out.clone().into_array_arg(),
            n as u32,
            channels as u32,
            matrix.meta.strides()[0] as u32,
            element,
            dtype.into(),
        );
    }
    out
}
