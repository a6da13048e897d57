//! A persona vector: one direction for each layer of the residual stream.

use std::fmt;

use super::math;
use crate::{Error, Result, ensure};

/// A layer, counted from 1: the output of block `L - 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Layer(pub usize);

impl Layer {
    /// The layer of that number in a model of `layers` blocks; an error outside 1 to `layers`.
    pub fn of(number: usize, layers: usize) -> Result<Self> {
        if !(1..=layers).contains(&number) {
            return Err(Error::usage(format!("layer {number} does not exist: the model has layers 1 to {layers}"))
                .hint("layers are counted from 1: layer L is the output of block L - 1"));
        }
        Ok(Self(number))
    }

    /// Index of the block whose output this is. This is the only place where 1 is taken away.
    pub fn block(self) -> usize {
        self.0.checked_sub(1).expect("layers are counted from 1")
    }

    /// Its row in a persona vector.
    pub fn row(self) -> usize {
        self.0
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {} (block {})", self.0, self.block())
    }
}

/// The row before the first layer's when increments are taken (Chen et al. 2025, appendix J.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncBase {
    /// Row 0: the increments through layer k sum to `v_k - v_0`.
    #[default]
    Embedding,
    /// Nothing: they sum to `v_k`.
    Zero,
}

/// A direction per layer, not normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonaVector {
    /// `[layers + 1][hidden]`: row 0 the embedding, row L the raw output of block L - 1.
    pub rows: Vec<Vec<f32>>,
}

impl PersonaVector {
    /// Takes `[layers + 1][hidden]` rows: at least two, equally wide, all numbers finite.
    pub fn new(rows: Vec<Vec<f32>>) -> Result<Self> {
        ensure!(
            rows.len() >= 2,
            "a persona vector needs at least 2 rows (the embedding and one layer), not {}",
            rows.len()
        );
        let hidden = rows[0].len();
        ensure!(hidden > 0, "a persona vector of width 0");
        for (i, row) in rows.iter().enumerate() {
            ensure!(row.len() == hidden, "row {i} has {} numbers, row 0 has {hidden}", row.len());
            ensure!(row.iter().all(|x| x.is_finite()), "row {i} holds a number that is not finite");
        }
        Ok(Self { rows })
    }

    /// Number of transformer blocks.
    pub fn layers(&self) -> usize {
        self.rows.len() - 1
    }

    /// Width of the residual stream.
    pub fn hidden(&self) -> usize {
        self.rows[0].len()
    }

    /// The layer's direction, `[hidden]`.
    pub fn row(&self, layer: Layer) -> &[f32] {
        &self.rows[layer.row()]
    }

    /// Euclidean norm of the layer's direction.
    pub fn norm(&self, layer: Layer) -> f32 {
        math::norm(self.row(layer)) as f32
    }

    /// Cosine of two vectors at a layer; nothing where one of them is zero.
    pub fn cosine(&self, other: &Self, layer: Layer) -> Option<f64> {
        let cosine = math::cosine(self.row(layer), other.row(layer));
        cosine.is_finite().then(|| cosine.clamp(-1.0, 1.0))
    }

    /// The layers whose direction is zero throughout: where a file holds nothing to steer with.
    pub fn empty_layers(&self) -> Vec<Layer> {
        (1..=self.layers()).map(Layer).filter(|&layer| self.row(layer).iter().all(|&x| x == 0.0)).collect()
    }

    /// `v_L - v_(L-1)`, which added at every layer up to k amounts to `v_k` less the base (Chen et al. 2025, appendix J.3).
    pub fn increment(&self, layer: Layer, base: IncBase) -> Vec<f32> {
        let row = self.row(layer);
        if layer.block() == 0 && base == IncBase::Zero {
            return row.to_vec();
        }
        row.iter().zip(&self.rows[layer.block()]).map(|(now, before)| now - before).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector() -> PersonaVector {
        PersonaVector::new(vec![vec![0.5, 0.0], vec![3.0, 4.0], vec![-6.0, 8.0]]).unwrap()
    }

    #[test]
    fn layer_l_is_the_output_of_block_l_minus_1() {
        let layer = Layer::of(20, 28).unwrap();
        assert_eq!((layer.block(), layer.row(), layer.to_string()), (19, 20, "layer 20 (block 19)".into()));
        assert!(Layer::of(0, 28).is_err());
        let e = Layer::of(29, 28).unwrap_err();
        assert_eq!(
            (e.to_string().as_str(), e.exit_code()),
            ("layer 29 does not exist: the model has layers 1 to 28", 2)
        );
    }

    #[test]
    fn increments_sum_to_the_row_less_the_base() {
        let v = vector();
        for (base, start) in [(IncBase::Embedding, v.rows[0].clone()), (IncBase::Zero, vec![0.0, 0.0])] {
            let (first, second) = (v.increment(Layer(1), base), v.increment(Layer(2), base));
            for i in 0..2 {
                assert_eq!(first[i] + second[i], v.row(Layer(2))[i] - start[i]);
            }
        }
        assert_eq!(v.norm(Layer(2)), 10.0);
    }

    #[test]
    fn rows_must_be_equally_wide_and_finite() {
        let told = |rows| PersonaVector::new(rows).unwrap_err().to_string();
        assert_eq!(told(vec![vec![1.0], vec![1.0, 2.0]]), "row 1 has 2 numbers, row 0 has 1");
        assert_eq!(told(vec![vec![1.0], vec![f32::NAN]]), "row 1 holds a number that is not finite");
        assert!(told(vec![vec![1.0]]).starts_with("a persona vector needs at least 2 rows"));
    }
}
