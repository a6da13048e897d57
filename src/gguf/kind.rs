//! The types of a tensor's values.

use crate::{Error, Result};

/// A type of values that is read. Apart from the first three, so many values in a row share a block with a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, non_camel_case_types, reason = "GGUF's own names")]
pub enum Kind {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
}

/// GGUF's number of a type, values and bytes of a block.
const KINDS: [(Kind, u32, usize, usize); 13] = [
    (Kind::F32, 0, 1, 4),
    (Kind::F16, 1, 1, 2),
    (Kind::BF16, 30, 1, 2),
    (Kind::Q4_0, 2, 32, 2 + 16),
    (Kind::Q4_1, 3, 32, 2 + 2 + 16),
    (Kind::Q5_0, 6, 32, 2 + 4 + 16),
    (Kind::Q5_1, 7, 32, 2 + 2 + 4 + 16),
    (Kind::Q8_0, 8, 32, 2 + 32),
    (Kind::Q2_K, 10, 256, 16 + 64 + 2 + 2),
    (Kind::Q3_K, 11, 256, 32 + 64 + 12 + 2),
    (Kind::Q4_K, 12, 256, 2 + 2 + 12 + 128),
    (Kind::Q5_K, 13, 256, 2 + 2 + 12 + 32 + 128),
    (Kind::Q6_K, 14, 256, 128 + 64 + 16 + 2),
];

/// Types that ggml has and nothing here reads.
const OTHERS: [(u32, &str); 22] = [
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl Kind {
    /// All types that are read.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, ..)| *kind)
    }

    /// The type of that number.
    ///
    /// # Errors
    /// A type that is not read; the error names it.
    pub fn of(number: u32) -> Result<Self> {
        if let Some((kind, ..)) = KINDS.iter().find(|(_, n, ..)| *n == number) {
            return Ok(*kind);
        }
        let name = OTHERS.iter().find(|(n, _)| *n == number);
        let name = name.map_or_else(|| format!("with the unknown number {number}"), |(_, name)| (*name).to_owned());
        let known: Vec<String> = Self::all().map(|kind| format!("{kind:?}")).collect();
        Err(Error::new(format!("the type {name} is not read"))
            .hint(format!("take a file in one of {} (such as Q4_K_M or Q8_0)", known.join(", "))))
    }

    /// GGUF's number.
    pub fn number(self) -> u32 {
        KINDS[self as usize].1
    }

    /// Values of a block.
    pub fn block(self) -> usize {
        KINDS[self as usize].2
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        KINDS[self as usize].3
    }

    /// Bytes of so many values, if they fill whole blocks and the number is one.
    pub fn bytes(self, values: usize) -> Option<usize> {
        values.is_multiple_of(self.block()).then(|| (values / self.block()).checked_mul(self.block_bytes()))?
    }

    /// Whether values are stored as themselves.
    pub fn is_plain(self) -> bool {
        self.block() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_number_and_one_that_is_not_read_by_its_name() {
        for kind in Kind::all() {
            assert_eq!(Kind::of(kind.number()).unwrap(), kind);
            assert_eq!(kind.bytes(kind.block() * 3), Some(kind.block_bytes() * 3));
        }
        assert_eq!((Kind::Q6_K.bytes(255), Kind::F32.bytes(usize::MAX)), (None, None));
        let e = Kind::of(39).unwrap_err();
        assert_eq!(e.to_string(), "the type MXFP4 is not read");
        assert!(e.help().unwrap().contains("Q5_K, Q6_K"));
        assert!(Kind::of(77).unwrap_err().to_string().contains("the unknown number 77"));
    }
}
