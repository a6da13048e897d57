//! Numbers that frozen matrices are held in, and numbers that products are made of.

use std::borrow::Cow;

use half::{bf16, f16};

use super::tiles::{STEP, TILE, Tile};

/// A number that a matrix is held in.
pub(super) trait Wide: Copy + Send + Sync + 'static {
    /// How those that lie in 32 bits become f32s, if some operations on bits do it.
    const IN_WORDS: Option<Words> = None;

    /// Its value.
    fn wide(self) -> f32;
}

/// Numbers that lie side by side in 32 bits: `((bits << shift) & mask) ^ flip`, with the shift of its place, is an f32, and the number is
/// that less `origin`, times `unit`.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// For each number how far to the left, first for all, then to the right.
    pub shifts: &'static [(u32, u32)],
    pub mask: u32,
    pub flip: u32,
    pub origin: f32,
    pub unit: f32,
}

/// A number that operands of products are rounded to.
pub(super) trait Number: Wide + HeldAs<Self> {
    const ZERO: Self;

    /// Numbers of a matrix that are laid at once: they stay in the first-level cache until they are multiplied.
    const LAID: usize;

    /// The nearest one, ties to even; a NaN stays one.
    fn nearest(value: f32) -> Self;

    /// Activations as they are multiplied: rounded as many rows are, so that a batch computes what its rows compute alone.
    fn rounded(x: &[f32]) -> Cow<'_, [f32]>;

    /// Lends the panel of the task at work on this thread.
    fn with_panel<R>(work: impl FnOnce(&mut Vec<Tile<Self>>) -> R) -> R;
}

/// A number that a frozen matrix is held in where its products are made of `N`.
pub(super) trait HeldAs<N>: Wide {
    /// Whether it is `N`.
    const IN_PLACE: bool;

    /// Where up to 32 terms become `N`, if they are not.
    type Room: Copy + Default;

    /// Up to 32 terms of a row. Like [`HeldAs::lay`] it is fast within [`vectorised`](super::primitives::vectorised).
    fn terms<'a>(row: &'a [Self], room: &'a mut Self::Room) -> &'a [N];

    /// Copies terms.
    fn lay(terms: &[Self], to: &mut [N]);
}

impl Wide for f32 {
    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }
}

impl Wide for bf16 {
    // The upper half of the f32.
    const IN_WORDS: Option<Words> =
        little_endian(Words { shifts: &[(16, 0), (0, 0)], mask: 0xffff_0000, flip: 0, origin: 0.0, unit: 1.0 });

    #[inline(always)]
    fn wide(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

impl Wide for f16 {
    /// In integers but for one difference, so that loops over it vectorise (faster here than eight by the processor's own instruction), and
    /// without numbers that are subnormal in f32, which are slow.
    #[inline(always)]
    fn wide(self) -> f32 {
        /// What the bias of f32's exponent has more.
        const BIAS: u32 = (127 - 15) << 23;
        const TOP: u32 = 0x7c00 << 13;
        let bits = u32::from(self.to_bits());
        let (sign, rest) = ((bits & 0x8000) << 16, (bits & 0x7fff) << 13);
        let subnormal = f32::from_bits(rest + BIAS + (1 << 23)) - f32::from_bits(BIAS + (1 << 23));
        f32::from_bits(match rest & TOP {
            0 => subnormal.to_bits() | sign,
            TOP => rest | 0x7f80_0000 | sign,
            _ => (rest + BIAS) | sign,
        })
    }
}

impl Wide for i8 {
    // The first eight bits of the fraction, of which the first is turned over: 1.5 + number / 256.
    const IN_WORDS: Option<Words> = little_endian(Words {
        shifts: &[(15, 0), (7, 0), (0, 1), (0, 9)],
        mask: 0x007f_8000,
        flip: 0x3fc0_0000,
        origin: 1.5,
        unit: 256.0,
    });

    #[inline(always)]
    fn wide(self) -> f32 {
        f32::from(self)
    }
}

/// The first number of a word is its lowest bits.
const fn little_endian(words: Words) -> Option<Words> {
    if cfg!(target_endian = "little") { Some(words) } else { None }
}

impl<N: Number> HeldAs<N> for N {
    const IN_PLACE: bool = true;

    type Room = ();

    #[inline(always)]
    fn terms<'a>(row: &'a [N], _: &'a mut Self::Room) -> &'a [N] {
        row
    }

    fn lay(terms: &[N], to: &mut [N]) {
        to.copy_from_slice(terms);
    }
}

/// As f32, or whole numbers of at most seven bits, which bf16 holds, as bf16.
macro_rules! held_as {
    ($held:ty as $number:ty: $lay:expr) => {
        impl HeldAs<$number> for $held {
            const IN_PLACE: bool = false;

            type Room = [$number; STEP];

            #[inline(always)]
            fn terms<'a>(row: &'a [Self], room: &'a mut Self::Room) -> &'a [$number] {
                let room = &mut room[..row.len()];
                Self::lay(row, room);
                room
            }

            #[inline(always)]
            fn lay(terms: &[Self], to: &mut [$number]) {
                $lay(terms, to);
            }
        }
    };
}

held_as!(bf16 as f32: |from: &[bf16], to: &mut [f32]| lay_each(from, to, bf16::wide));
held_as!(f16 as f32: |from: &[f16], to: &mut [f32]| lay_each(from, to, f16::wide));
held_as!(i8 as f32: |from: &[i8], to: &mut [f32]| lay_each(from, to, i8::wide));
held_as!(i8 as bf16: |from: &[i8], to: &mut [bf16]| lay_each(from, to, |q| bf16::from_bits((q.wide().to_bits() >> 16) as u16)));

#[inline(always)]
fn lay_each<W: Wide, N: Number>(from: &[W], to: &mut [N], of: impl Fn(W) -> N) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = of(*from));
}

impl<N: Number> Tile<N> {
    pub const ZERO: Self = Self([N::ZERO; TILE * STEP]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_is_widened_to_its_value() {
        for bits in 0..=u16::MAX {
            let (found, right) = (f16::from_bits(bits).wide(), f16::from_bits(bits).to_f32());
            assert!(found.to_bits() == right.to_bits() || found.is_nan() && right.is_nan(), "{found} for {right}");
        }
    }
}
