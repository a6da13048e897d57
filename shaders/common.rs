//! What the kernels share: sizes of cubes, outputs, and reductions in shared memory, which every device has. Plane
//! operations would save steps, but the software device has none, so no test here could run that path.

use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::cube;
use cubecl::prelude::*;

/// The most units a cube may have on every device: WebGPU promises no more.
pub const UNITS_MAX: u32 = 256;

/// Below every score and every logit that counts: WGSL has no infinities.
pub const LOWEST: f32 = -1e30;

/// The most cubes along one dimension that every device takes.
pub const CUBES_MAX: usize = 65_535;

/// So many cubes, or somewhat more, for one dimension holds 65,535: a kernel looks whether its `CUBE_POS` is one of them.
pub fn cubes(count: usize) -> CubeCount {
    let rows = count.div_ceil(CUBES_MAX).max(1);
    CubeCount::Static(count.div_ceil(rows).max(1) as u32, rows as u32, 1)
}

/// Operating systems take a GPU away that is busy with one launch for two seconds, and the work of attention grows with the square of a
/// text's length, that of adapters with its length and their rank. A slow GPU of a laptop has 4·10^11 multiplications and additions a
/// second at best; at a tenth of it so many take half a second, and a fast one loses nothing by beginning anew.
pub const WORK: usize = 1 << 34;

/// `all` cubes in launches of about so much work, each of which does `of_cube`: the first cube of each launch, and how many it has, which
/// one dimension holds.
pub fn launches(all: usize, of_cube: usize, work: usize) -> impl Iterator<Item = (u32, CubeCount)> {
    let most = (work / of_cube.max(1)).clamp(1, CUBES_MAX);
    (0..all).step_by(most).map(move |first| (first as u32, cubes(most.min(all - first))))
}

/// Units for a row of `n` elements, about four to each: a power of two, as a reduction wants.
pub fn units(n: usize) -> u32 {
    (n.div_ceil(4).next_power_of_two() as u32).clamp(32, UNITS_MAX)
}

/// A contiguous tensor of f32 whose elements are anything.
pub fn empty<R: CubeRuntime, const D: usize>(like: &CubeTensor<R>, shape: [usize; D]) -> CubeTensor<R> {
    let dtype = burn_tensor::DType::F32;
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape.into(), dtype)
}

/// The output of a kernel whose argument number `position` is `tensor`: `tensor` itself if it has one owner, else a
/// new one. Gives the output and its argument; take the tensor's own argument afterwards, from a clone.
pub fn in_place<R: CubeRuntime>(tensor: &CubeTensor<R>, position: usize) -> (CubeTensor<R>, ArrayArg<R>) {
    let output = Output::over(tensor, position);
    let argument = output.argument();
    (output.tensor, argument)
}

/// As [`in_place`], for a kernel that is launched more than once.
pub struct Output<R: CubeRuntime> {
    pub tensor: CubeTensor<R>,
    /// The argument that it is, too.
    also: Option<usize>,
}

impl<R: CubeRuntime> Output<R> {
    pub fn over(tensor: &CubeTensor<R>, position: usize) -> Self {
        if tensor.can_mut() && tensor.is_nonoverlapping() {
            return Self { tensor: tensor.clone(), also: Some(position) };
        }
        let (client, device, shape) = (tensor.client.clone(), tensor.device.clone(), tensor.meta.shape().clone());
        Self { tensor: empty_device_contiguous_dtype(client, device, shape, tensor.dtype), also: None }
    }

    pub fn argument(&self) -> ArrayArg<R> {
        match self.also {
            Some(position) => self.tensor.as_tensor_alias(position).into_array_arg(),
            None => self.tensor.clone().into_array_arg(),
        }
    }
}

/// The tensor that a write changes: the given one if it has one owner, else a copy.
pub fn owned<R: CubeRuntime>(tensor: CubeTensor<R>) -> CubeTensor<R> {
    if tensor.can_mut() && tensor.is_nonoverlapping() { tensor } else { tensor.copy() }
}

/// The sum of every unit's value, for every unit. `shared` has a place for each unit, whose number is a power of two.
#[cube]
pub fn sum_of_cube(value: f32, shared: &mut SharedMemory<f32>) -> f32 {
    let unit = UNIT_POS as usize;
    // Somebody may still be reading the result of an earlier reduction.
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            let other = shared[unit + half];
            shared[unit] += other;
        }
        sync_cube();
        half /= 2;
    }
    shared[0]
}

/// The greatest of every unit's value, for every unit; as [`sum_of_cube`].
#[cube]
pub fn max_of_cube(value: f32, shared: &mut SharedMemory<f32>) -> f32 {
    let unit = UNIT_POS as usize;
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            let other = shared[unit + half];
            shared[unit] = max(shared[unit], other);
        }
        sync_cube();
        half /= 2;
    }
    shared[0]
}
