//! Looking at the model while it learns, unsteered, on texts fixed in advance: how far they lie along a direction (the drift
//! curve), and which vector they give now (guide: method, "Vector recomputation").

use burn_tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::gradient_projection::GradientProjection;
use super::penalty::unit;
use crate::kernels::FusedOps;
use crate::language_model::{Direction, Finished};
use crate::model::Transformer;
use crate::steering::SteeringRecipe;
use crate::text::Rows;
use crate::vector::{Layer, PersonaVector};
use crate::{Result, ensure};

/// A probe set that is measured every so many steps: the mean projection of its responses, as monitoring defines it (guide: method, "Monitoring"), without
/// steering.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeCallback {
    /// Steps from one measurement to the next; the last step is measured too.
    pub every: usize,
    /// The texts; each counts the same, long or short.
    pub texts: Vec<Finished>,
    /// Along what, and where.
    pub direction: Direction,
    /// The run ends where the projection has risen by more than this since its beginning.
    pub stop_above: Option<f64>,
    /// What of the gradient is measured at the same steps and before the first.
    pub pressure: Option<GradientProjection>,
}

/// A vector that is extracted anew while the model learns, from fixed texts, and then steered with. It closes a feedback loop:
/// what is learned decides what is steered with.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRecompute {
    /// Steps from one extraction to the next.
    pub every: usize,
    /// Texts that show the trait, and texts that lack it; each counts the same within its side.
    pub texts: [Vec<Finished>; 2],
    /// How a vector becomes the plan.
    pub recipe: SteeringRecipe,
    /// The vector of the run's beginning.
    pub first: PersonaVector,
}

/// What one extraction gave; a row of `vectors.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecomputeReport {
    /// Steps done before it. At 0 nothing is learned yet and the vector is not used: it tells how far the fixed texts alone
    /// take the vector from the given one.
    pub step: usize,
    /// Cosine with the vector of the run's beginning, layers 1 to the last; null where one of both is zero.
    pub cosines: Vec<Option<f64>>,
    /// Norms, likewise.
    pub norms: Vec<f64>,
}

/// A [`ProbeCallback`] that has seen the beginning.
pub(super) struct ActiveProbe<'a> {
    watch: &'a ProbeCallback,
    unit: Vec<f32>,
    /// Mean projection before the first step.
    pub start: f64,
}

impl<'a> ActiveProbe<'a> {
    /// Measures a model that has not learned yet.
    pub fn begin<B: FusedOps>(watch: &'a ProbeCallback, model: &Transformer<B>) -> Result<Self> {
        ensure!(watch.every > 0, "the drift is to be measured every 0 steps");
        ensure!(watch.stop_above.is_none_or(f64::is_finite), "`watch.stop_above` must be finite");
        check("the probe set", &watch.texts, model)?;
        let unit = unit(&watch.direction, model)?.into_data().iter::<f32>().collect();
        let mut watching = Self { watch, unit, start: 0.0 };
        watching.start = watching.measure(model);
        Ok(watching)
    }

    /// Whether a measurement is due after so many steps of so many.
    pub fn is_due(&self, done: usize, total: usize) -> bool {
        done.is_multiple_of(self.watch.every) || done == total
    }

    /// Mean projection of the responses along the direction.
    pub fn measure<B: FusedOps>(&self, model: &Transformer<B>) -> f64 {
        let states = mean_states(&model.unsteered(), &self.watch.texts, self.watch.direction.layer.row());
        let state = states.last().expect("the embedding at least");
        state.iter().zip(&self.unit).map(|(&h, &v)| f64::from(h) * f64::from(v)).sum()
    }

    /// Whether the run is to end at this drift.
    pub fn stops_at(&self, drift: f64) -> bool {
        self.watch.stop_above.is_some_and(|limit| drift > limit)
    }
}

impl VectorRecompute {
    pub(super) fn check<B: FusedOps>(&self, model: &Transformer<B>) -> Result<()> {
        ensure!(self.every > 0, "the vector is to be extracted anew every 0 steps");
        let shape = (self.first.layers(), self.first.hidden());
        ensure!(shape == (model.blocks.len(), model.config.hidden_size), "the vector is of another model");
        check("the texts that show the trait", &self.texts[0], model)?;
        check("the texts that lack the trait", &self.texts[1], model)
    }

    /// The vector that the texts give now, steering off.
    pub(super) fn extract<B: FusedOps>(&self, model: &Transformer<B>) -> Result<PersonaVector> {
        let model = model.unsteered();
        let [pos, neg] = self.texts.each_ref().map(|texts| mean_states(&model, texts, model.blocks.len()));
        let minus = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
        PersonaVector::new(pos.iter().zip(&neg).map(minus).collect())
    }

    /// What is to be told of a vector extracted after so many steps.
    pub(super) fn report(&self, step: usize, vector: &PersonaVector) -> RecomputeReport {
        let layers = (1..=vector.layers()).map(Layer);
        let cosine = |layer: Layer| {
            let (now, first) = (vector.row(layer), self.first.row(layer));
            let dot: f64 = now.iter().zip(first).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            let norms = f64::from(vector.norm(layer)) * f64::from(self.first.norm(layer));
            (norms > 0.0).then(|| dot / norms)
        };
        RecomputeReport {
            step,
            cosines: layers.clone().map(cosine).collect(),
            norms: layers.map(|layer| f64::from(vector.norm(layer))).collect(),
        }
    }
}

fn check<B: FusedOps>(what: &str, texts: &[Finished], model: &Transformer<B>) -> Result<()> {
    ensure!(!texts.is_empty(), "{what}: there is none");
    for (i, text) in texts.iter().enumerate() {
        ensure!(!text.prompt_ids.is_empty() && !text.response_ids.is_empty(), "{what}: text {i} is empty");
        let known = |id: &u32| (*id as usize) < model.config.vocab_size;
        ensure!(
            text.prompt_ids.iter().chain(&text.response_ids).all(known),
            "{what}: text {i} holds a token that the model does not know"
        );
    }
    Ok(())
}

/// Tokens read in one pass.
const TOKENS_PER_PASS: usize = 4096;

/// Mean over texts of the mean state of each one's response, rows 0 (the embedding) to `last` of the residual stream.
fn mean_states<B: FusedOps>(model: &Transformer<B>, texts: &[Finished], last: usize) -> Vec<Vec<f32>> {
    let len = |text: &Finished| text.prompt_ids.len() + text.response_ids.len();
    // Texts of like length together, so that little is padded.
    let mut order: Vec<&Finished> = texts.iter().collect();
    order.sort_by_key(|text| len(text));
    let mut sums: Vec<Option<Tensor<B, 2>>> = vec![None; last + 1];
    while let Some(&longest) = order.last() {
        let batch = order.split_off(order.len().saturating_sub((TOKENS_PER_PASS / len(longest)).max(1)));
        let whole: Vec<Vec<u32>> =
            batch.iter().map(|t| [t.prompt_ids.as_slice(), t.response_ids.as_slice()].concat()).collect();
        let ids: Vec<&[u32]> = whole.iter().map(Vec::as_slice).collect();
        let rows = Rows::whole(&ids, batch.iter().map(|t| t.prompt_ids.len()).collect(), 0);
        let mut shares = vec![0.0f32; rows.ids.len()];
        for (b, shares) in shares.chunks_mut(rows.width).enumerate() {
            let response = rows.prompt[b]..rows.end[b];
            let share = 1.0 / (response.len() * texts.len()) as f32;
            shares[response].fill(share);
        }
        let n = shares.len();
        let shares = Tensor::<B, 2>::from_data(TensorData::new(shares, [1, n]), &model.device);
        let pass = model.pass(&rows, rows.width);
        model.stream_to(last, &pass, |row, h| {
            let part = shares.clone().matmul(h.clone());
            sums[row] = Some(match sums[row].take() {
                Some(sum) => sum + part,
                None => part,
            });
        });
    }
    let all = Tensor::cat(sums.into_iter().map(|sum| sum.expect("there is a text")).collect(), 0);
    let hidden = all.dims()[1];
    let values: Vec<f32> = all.into_data().iter::<f32>().collect();
    values.chunks(hidden).map(<[f32]>::to_vec).collect()
}
