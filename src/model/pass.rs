//! One forward pass: which tokens stand where, and how strongly each is steered.

use burn::tensor::{Int, Tensor, TensorData};

use super::Qwen;
use crate::kernels::{FusedOps, Span};
use crate::text::Rows;

/// [`Rows`] on the device, with what every block needs of them.
#[derive(Debug, Clone)]
pub struct Pass<B: FusedOps> {
    /// `[rows · width]`.
    pub ids: Tensor<B, 1, Int>,
    /// Who may attend to whom.
    pub span: Span<B>,
    /// Cosine of each token's rotary angles, `[rows · width, head dim / 2]`.
    pub cos: Tensor<B, 2>,
    /// Sine of the same.
    pub sin: Tensor<B, 2>,
    /// Coefficient times position rule, `[rows · width, parts of the plan]`; `None` without steering.
    pub steer: Option<Tensor<B, 2>>,
    /// How many tokens of this pass are steered, `[rows][parts of the plan]`; empty without steering.
    pub steered: Vec<Vec<usize>>,
}

impl<B: FusedOps> Qwen<B> {
    /// Puts rows on the device. `columns` is the width of the cache, or that of the rows without one.
    pub fn pass(&self, rows: &Rows, columns: usize) -> Pass<B> {
        let n = rows.len() * rows.width;
        assert_eq!(rows.ids.len(), n, "rows x width tokens");
        let vocabulary = self.config.vocab_size as u32;
        assert!(rows.ids.iter().all(|&id| id < vocabulary), "a token beyond the vocabulary");
        let ids: Vec<i32> = rows.ids.iter().map(|&id| id as i32).collect();
        let (cos, sin) = self.angles(rows);
        let half = self.config.head_dim / 2;
        let strengths = self.steering.as_ref().map(|steering| (steering, steering.strengths(rows)));
        let table = |values| Tensor::from_data(TensorData::new(values, [n, half]), &self.device);
        Pass {
            ids: Tensor::from_data(TensorData::new(ids, [n]), &self.device),
            span: Span::new(rows.start.clone(), rows.at.clone(), rows.width, columns, &self.device),
            cos: table(cos),
            sin: table(sin),
            steer: strengths.as_ref().map(|(steering, strengths)| steering.weights(strengths, &self.device)),
            steered: strengths.map_or_else(Vec::new, |(_, strengths)| strengths.steered),
        }
    }

    /// Rotary angles (Su et al. 2021; half-rotation as in Hugging Face's Qwen2) of every token, each computed once per
    /// distinct position. The angle is rounded to f32 as in the reference; its cosine and sine are exact.
    fn angles(&self, rows: &Rows) -> (Vec<f32>, Vec<f32>) {
        let dim = self.config.head_dim;
        let half = dim / 2;
        let places: Vec<usize> = rows.places().map(|place| place.unwrap_or(0)).collect();
        let (low, high) = places.iter().fold((usize::MAX, 0), |(low, high), &p| (low.min(p), high.max(p)));
        let low = low.min(high);
        let frequencies: Vec<f32> =
            (0..half).map(|i| self.config.rope_theta.powf(-(2.0 * i as f64) / dim as f64) as f32).collect();
        let mut table: Vec<Option<Vec<(f32, f32)>>> = vec![None; high + 1 - low];
        let (mut cos, mut sin) = (Vec::with_capacity(places.len() * half), Vec::with_capacity(places.len() * half));
        for place in places {
            let row = table[place - low].get_or_insert_with(|| {
                let angle = |f: &f32| f64::from(place as f32 * f);
                frequencies.iter().map(|f| (angle(f).cos() as f32, angle(f).sin() as f32)).collect()
            });
            cos.extend(row.iter().map(|r| r.0));
            sin.extend(row.iter().map(|r| r.1));
        }
        (cos, sin)
    }
}
