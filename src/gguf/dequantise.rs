//! From a type's bytes to the numbers that they stand for: the blocks of ggml's `ggml-common.h`, computed in the order of the
//! Python package `gguf` (`gguf/quants.py`), so that every bit is the same.

use half::{bf16, f16};

use super::Kind;

/// Writes the values of whole blocks.
///
/// # Panics
/// If `bytes` are not as many as `out` takes.
pub fn dequantise(kind: Kind, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(kind.bytes(out.len()), Some(bytes.len()), "{kind:?}: {} values", out.len());
    match kind {
        Kind::F32 => each(kind, bytes, out, |b, y| y[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        Kind::F16 => each(kind, bytes, out, |b, y| y[0] = half(b)),
        Kind::BF16 => each(kind, bytes, out, |b, y| y[0] = bf16::from_le_bytes([b[0], b[1]]).to_f32()),
        Kind::Q4_0 => each(kind, bytes, out, q4_0),
        Kind::Q4_1 => each(kind, bytes, out, q4_1),
        Kind::Q5_0 => each(kind, bytes, out, q5_0),
        Kind::Q5_1 => each(kind, bytes, out, q5_1),
        Kind::Q8_0 => each(kind, bytes, out, q8_0),
        Kind::Q2_K => each(kind, bytes, out, q2_k),
        Kind::Q3_K => each(kind, bytes, out, q3_k),
        Kind::Q4_K => each(kind, bytes, out, q4_k),
        Kind::Q5_K => each(kind, bytes, out, q5_k),
        Kind::Q6_K => each(kind, bytes, out, q6_k),
    }
}

/// Block by block; a function of its own for each type, so that single values cost no call.
fn each(kind: Kind, bytes: &[u8], out: &mut [f32], one: impl Fn(&[u8], &mut [f32])) {
    let blocks = bytes.chunks_exact(kind.block_bytes()).zip(out.chunks_exact_mut(kind.block()));
    blocks.for_each(|(block, values)| one(block, values));
}

/// The f16 at the beginning.
fn half(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// The i-th of 32 values of four bits: the low halves of 16 bytes, then the high ones.
fn nibble(qs: &[u8], i: usize) -> u8 {
    if i < 16 { qs[i] & 15 } else { qs[i - 16] >> 4 }
}

/// The i-th of 32 bits.
fn bit(bits: &[u8], i: usize) -> u8 {
    bits[i / 8] >> (i % 8) & 1
}

/// d, 32 values of four bits.
fn q4_0(block: &[u8], out: &mut [f32]) {
    let (d, qs) = (half(block), &block[2..]);
    out.iter_mut().enumerate().for_each(|(i, y)| *y = d * f32::from(nibble(qs, i) as i8 - 8));
}

/// d, the least value m, 32 values of four bits.
fn q4_1(block: &[u8], out: &mut [f32]) {
    let (d, m, qs) = (half(block), half(&block[2..]), &block[4..]);
    out.iter_mut().enumerate().for_each(|(i, y)| *y = d * f32::from(nibble(qs, i)) + m);
}

/// d, 32 fifth bits, 32 values of four bits.
fn q5_0(block: &[u8], out: &mut [f32]) {
    let (d, high, qs) = (half(block), &block[2..6], &block[6..]);
    let q = |i| (nibble(qs, i) | bit(high, i) << 4) as i8 - 16;
    out.iter_mut().enumerate().for_each(|(i, y)| *y = d * f32::from(q(i)));
}

/// d, the least value m, 32 fifth bits, 32 values of four bits.
fn q5_1(block: &[u8], out: &mut [f32]) {
    let (d, m, high, qs) = (half(block), half(&block[2..]), &block[4..8], &block[8..]);
    let q = |i| nibble(qs, i) | bit(high, i) << 4;
    out.iter_mut().enumerate().for_each(|(i, y)| *y = d * f32::from(q(i)) + m);
}

/// d, 32 values of eight bits.
fn q8_0(block: &[u8], out: &mut [f32]) {
    let d = half(block);
    out.iter_mut().zip(&block[2..]).for_each(|(y, &q)| *y = d * f32::from(q as i8));
}

/// 16 pairs of a scale and a least value, 256 values of two bits, d, d of the least values. Of 128 values, 32 bytes hold four
/// rows of 32, the first in the lowest bits; a pair belongs to 16 values.
fn q2_k(block: &[u8], out: &mut [f32]) {
    let (scales, qs, d, d_min) = (&block[..16], &block[16..80], half(&block[80..]), half(&block[82..]));
    for (i, y) in out.iter_mut().enumerate() {
        let scale = scales[i / 16];
        let (by, least) = (d * f32::from(scale & 15), d_min * f32::from(scale >> 4));
        *y = by * f32::from(two_bits(qs, i)) - least;
    }
}

/// The i-th value of two bits, in rows of 32.
fn two_bits(qs: &[u8], i: usize) -> u8 {
    qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3
}

/// 256 third bits, 256 values of two bits, 16 scales of six bits, d. A third bit that is not set takes 4 away.
fn q3_k(block: &[u8], out: &mut [f32]) {
    let (third, qs, packed, d) = (&block[..32], &block[32..96], &block[96..108], half(&block[108..]));
    let scale = |j: usize| {
        let low = packed[j % 8] >> (j / 8 * 4) & 15;
        let high = packed[8 + j % 4] >> (j / 4 * 2) & 3;
        f32::from((low | high << 4) as i8 - 32)
    };
    for (j, values) in out.chunks_exact_mut(16).enumerate() {
        let by = d * scale(j);
        for (i, y) in (j * 16..).zip(values) {
            let missing = !third[i % 32] >> (i / 32) & 1;
            *y = by * f32::from(two_bits(qs, i) as i8 - (missing << 2) as i8);
        }
    }
}

/// The j-th of 8 pairs of a scale and a least value, six bits each, packed into 12 bytes.
fn scale_and_least(packed: &[u8], j: usize) -> (f32, f32) {
    let (low, least, high) = (packed[j % 4], packed[4 + j % 4], packed[8 + j % 4]);
    let (scale, least) = match j {
        0..4 => (low & 63, least & 63),
        _ => ((high & 15) | (low >> 2 & 48), (high >> 4) | (least >> 2 & 48)),
    };
    (f32::from(scale), f32::from(least))
}

/// d, d of the least values, 8 pairs, 256 values of four bits: 32 bytes hold two rows of 32.
fn q4_k(block: &[u8], out: &mut [f32]) {
    let (d, d_min, packed, qs) = (half(block), half(&block[2..]), &block[4..16], &block[16..]);
    for (j, values) in out.chunks_exact_mut(32).enumerate() {
        let (scale, least) = scale_and_least(packed, j);
        let (by, least) = (d * scale, d_min * least);
        let row = &qs[j / 2 * 32..][..32];
        values.iter_mut().zip(row).for_each(|(y, q)| *y = by * f32::from(q >> (j % 2 * 4) & 15) - least);
    }
}

/// As Q4_K, with 256 fifth bits: of 32 bytes, bit j belongs to row j.
fn q5_k(block: &[u8], out: &mut [f32]) {
    let (d, d_min, packed, fifth, qs) = (half(block), half(&block[2..]), &block[4..16], &block[16..48], &block[48..]);
    for (j, values) in out.chunks_exact_mut(32).enumerate() {
        let (scale, least) = scale_and_least(packed, j);
        let (by, least) = (d * scale, d_min * least);
        let row = qs[j / 2 * 32..][..32].iter().zip(fifth);
        for (y, (q, high)) in values.iter_mut().zip(row) {
            *y = by * f32::from((q >> (j % 2 * 4) & 15) | (high >> j & 1) << 4) - least;
        }
    }
}

/// 256 values of four bits, their 256 upper two bits, 16 scales, d. Of 128 values, 64 bytes hold the lower bits, two rows of 32
/// in their low halves and two in their high ones.
fn q6_k(block: &[u8], out: &mut [f32]) {
    let (qs, high, scales, d) = (&block[..128], &block[128..192], &block[192..208], half(&block[208..]));
    for (j, values) in out.chunks_exact_mut(16).enumerate() {
        let by = d * f32::from(scales[j] as i8);
        for (i, y) in (j * 16..).zip(values) {
            let low = qs[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
            *y = by * f32::from((low | two_bits(high, i) << 4) as i8 - 32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Container;
    use super::*;

    #[test]
    fn values_are_those_of_the_gguf_package_bit_for_bit() {
        let bytes = std::fs::read("tests/fixtures/gguf/types.gguf").unwrap();
        let file = Container::read(&bytes).unwrap();
        let bits = |name: &str| -> Vec<u32> {
            let tensor = file.tensors.iter().find(|tensor| tensor.name == name).unwrap();
            file.values(tensor).unwrap().into_iter().map(f32::to_bits).collect()
        };
        for kind in Kind::all().filter(|kind| *kind != Kind::F32) {
            let name = format!("{kind:?}");
            let (found, want) = (bits(&name), bits(&format!("{name}.f32")));
            assert_eq!(want.len(), 512);
            assert!(found == want, "{name}");
        }
    }
}
