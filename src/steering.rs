//! The equation of persona steering, and the only place that changes the residual stream:
//!
//! ```text
//! add:     H[L] <- H[L] + α · v_L              (Chen et al. 2025, section 3.2; training time: section 5.2)
//! ablate:  H[L] <- H[L] - (H[L] · v̂_L) v̂_L    (CAFT, appendix J.4; [`SteeringPlan::to_mean`] adds a constant along v̂_L)
//! ```
//!
//! at the output of block L - 1, after both residual adds. A [`SteeringPlan`] is data: which blocks, which vectors, how strong, at
//! which positions.

mod described;
mod recipe;

use burn_tensor::{Tensor, TensorData};

pub use described::DescribedPlan;
pub use recipe::SteeringRecipe;

use crate::kernels::FusedOps;
use crate::text::Rows;
use crate::vector::math::norm;
use crate::vector::{IncBase, Layer, PersonaVector};
use crate::{Error, Result, ensure};

/// What is done to the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Add the coefficient times the vector.
    Add,
    /// Remove the component along the vector, the coefficient being the share removed (1 = all).
    Ablate,
}

/// Which token positions are touched (guide: method, "Steering positions").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// Every token, in training and in generation.
    All,
    /// The prompt's tokens, unless the prompt is a single token.
    Prompt,
    /// From the prompt's last token, which predicts the response's first, to the last token fed back.
    #[default]
    Response,
}

/// One block's share of a [`SteeringPlan`].
#[derive(Debug, Clone, PartialEq)]
pub struct Steer {
    /// Where: the output of block `layer.block()`.
    pub layer: Layer,
    /// What: for `Add` the shift at coefficient 1, for `Ablate` any non-zero multiple of the direction. `[hidden]`.
    pub vector: Vec<f32>,
}

/// One intervention: an operation with its strength, its tokens and its blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Add or ablate.
    pub op: Op,
    /// In multiples of the vectors; one row of a batch may carry its own.
    pub coef: f32,
    /// At which tokens.
    pub positions: Positions,
    /// Which blocks, at most once each, in ascending order.
    pub steers: Vec<Steer>,
}

/// An intervention on a model's residual stream, as data: commands build it and files describe it. Several parts act at once,
/// in their order where they meet: two traits, or every layer of a sweep with a coefficient per row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SteeringPlan {
    /// What is done; nothing if empty.
    pub parts: Vec<Part>,
}

impl SteeringPlan {
    /// No steering at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the raw row of each given layer at that layer.
    pub fn rows(vector: &PersonaVector, layers: &[Layer], coef: f32, positions: Positions) -> Self {
        let steers = layers.iter().map(|&layer| Steer { layer, vector: vector.row(layer).to_vec() }).collect();
        Part { op: Op::Add, coef, positions, steers }.into()
    }

    /// Adds the increment `v_l - v_(l-1)` at every layer (guide: method, "All layers"), so that the sum through layer k is `v_k - v_0`.
    pub fn incremental(vector: &PersonaVector, base: IncBase, coef: f32, positions: Positions) -> Self {
        let steers = (1..=vector.layers())
            .map(Layer)
            .map(|layer| Steer { layer, vector: vector.increment(layer, base) })
            .collect();
        Part { op: Op::Add, coef, positions, steers }.into()
    }

    /// Removes each given layer's own direction there (guide: method, "Ablation").
    pub fn ablate(vector: &PersonaVector, layers: &[Layer], positions: Positions) -> Self {
        let mut plan = Self::rows(vector, layers, 1.0, positions);
        plan.parts.iter_mut().for_each(|part| part.op = Op::Ablate);
        plan
    }

    /// The same plan with every part at another strength.
    pub fn at(&self, coef: f32) -> Self {
        Self { parts: self.parts.iter().map(|part| Part { coef, ..part.clone() }).collect() }
    }

    /// This plan and then another.
    pub fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// Whether the plan names no block.
    pub fn is_none(&self) -> bool {
        self.parts.iter().all(|part| part.steers.is_empty())
    }

    /// The coefficient of each part.
    pub fn coefs(&self) -> Vec<f32> {
        self.parts.iter().map(|part| part.coef).collect()
    }
}

impl From<Part> for SteeringPlan {
    fn from(part: Part) -> Self {
        Self { parts: vec![part] }
    }
}

impl Part {
    /// Norm of the vectors at all its blocks together; for `Add` that of the whole shift at coefficient 1.
    pub fn norm(&self) -> f64 {
        self.steers.iter().map(|steer| norm(&steer.vector).powi(2)).sum::<f64>().sqrt()
    }
}

impl Positions {
    /// Its name in files.
    pub fn key(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Prompt => "prompt",
            Self::Response => "response",
        }
    }

    /// Whether token `place` (from 0) of a text with `prompt` prompt tokens is steered. The same rule serves a prefill, a
    /// decode step and a finished text, under any padding: `response` begins at the prompt's last token, and `prompt`
    /// passes over one-token prompts, both as the reference's hooks do with a cache (guide: method, "Steering positions").
    pub fn touches(self, place: usize, prompt: usize) -> bool {
        match self {
            Self::All => true,
            Self::Prompt => place < prompt && prompt > 1,
            Self::Response => place + 1 >= prompt,
        }
    }
}

/// A [`SteeringPlan`] on the device: the module that stands at the output of each block.
#[derive(Debug, Clone)]
pub struct Steering<B: FusedOps> {
    plan: SteeringPlan,
    /// Per block, what is done there, in order.
    blocks: Vec<Vec<Step<B>>>,
    /// A hash of what each part does at coefficient 1, and where.
    marks: Vec<u64>,
}

/// What is done at one block. `columns` are the parts whose coefficients are taken.
#[derive(Debug, Clone)]
enum Step<B: FusedOps> {
    /// Neighbouring additions in one product: vectors `[columns, hidden]`.
    Add { columns: Vec<usize>, vectors: Tensor<B, 2> },
    /// Along a unit direction `[1, hidden]`.
    Ablate { column: usize, direction: Tensor<B, 2> },
}

/// How strongly each token of a pass is steered.
#[derive(Debug, Clone)]
pub struct Strengths {
    /// Coefficient times position rule, `[tokens][parts]`; padding gets 0.
    pub values: Vec<f32>,
    /// Tokens with a strength other than 0, `[rows][parts]`.
    pub steered: Vec<Vec<usize>>,
}

impl<B: FusedOps> Steering<B> {
    /// Makes a plan ready for a model of `blocks` blocks of width `hidden`; `None` if it names no block.
    ///
    /// # Errors
    /// If the plan does not fit: a layer that the model does not have or that one part names twice, a vector of
    /// another width, a direction that is zero or not finite.
    pub fn new(plan: &SteeringPlan, blocks: usize, hidden: usize, device: &B::Device) -> Result<Option<Self>> {
        if plan.is_none() {
            return Ok(None);
        }
        let row = |values: Vec<f32>| Tensor::<B, 2>::from_data(TensorData::new(values, [1, hidden]), device);
        let mut steps: Vec<Vec<Step<B>>> = vec![Vec::new(); blocks];
        for (column, part) in plan.parts.iter().enumerate() {
            part.check(blocks, hidden)?;
            for Steer { layer, vector } in &part.steers {
                let steps = &mut steps[layer.block()];
                match (part.op, steps.last_mut()) {
                    (Op::Add, Some(Step::Add { columns, vectors })) => {
                        columns.push(column);
                        *vectors = Tensor::cat(vec![vectors.clone(), row(vector.clone())], 0);
                    }
                    (Op::Add, _) => {
                        steps.push(Step::Add { columns: vec![column], vectors: row(vector.clone()) });
                    }
                    (Op::Ablate, _) => {
                        let norm = norm(vector);
                        let direction = row(vector.iter().map(|&x| (f64::from(x) / norm) as f32).collect());
                        steps.push(Step::Ablate { column, direction });
                    }
                }
            }
        }
        Ok(Some(Self { plan: plan.clone(), blocks: steps, marks: plan.parts.iter().map(Part::mark).collect() }))
    }

    /// The plan that this module carries out.
    pub fn plan(&self) -> &SteeringPlan {
        &self.plan
    }

    /// How strongly each token of a pass is steered: each row's coefficients, or the plan's, where the positions say so.
    pub fn strengths(&self, rows: &Rows) -> Strengths {
        let own = self.plan.coefs();
        let mut steered = vec![vec![0; own.len()]; rows.len()];
        let mut values = Vec::with_capacity(rows.len() * rows.width * own.len());
        for (i, place) in rows.places().enumerate() {
            let row = i / rows.width;
            let coefs = rows.coefs[row].as_deref().unwrap_or(&own);
            assert_eq!(coefs.len(), own.len(), "a coefficient for every part of the plan");
            for (p, (&coef, part)) in coefs.iter().zip(&self.plan.parts).enumerate() {
                let touched = place.is_some_and(|place| part.positions.touches(place, rows.prompt[row]));
                values.push(if touched { coef } else { 0.0 });
                steered[row][p] += usize::from(touched && coef != 0.0);
            }
        }
        Strengths { values, steered }
    }

    /// A mark of what acts how strongly on token `place` of a text: where tokens agree, so do equal marks, whatever else a plan
    /// names. 0 where nothing acts.
    pub fn mark(&self, coefs: &[f32], place: usize, prompt: usize) -> u64 {
        let parts = coefs.iter().zip(&self.plan.parts).zip(&self.marks);
        let acting = parts.filter(|((coef, part), _)| **coef != 0.0 && part.positions.touches(place, prompt));
        acting.fold(0, |hash, ((coef, _), mark)| hashed(hashed(hash, *mark), u64::from(coef.to_bits())))
    }

    /// The equation, at the output of block `index`: `h [tokens, hidden]`, `weights [tokens, parts]`.
    pub fn forward(&self, index: usize, h: Tensor<B, 2>, weights: &Tensor<B, 2>) -> Tensor<B, 2> {
        self.blocks[index].iter().fold(h, |h, step| match step {
            Step::Add { columns, vectors } => B::add_matmul(h, &picked(weights, columns), vectors, 1.0),
            Step::Ablate { column, direction } => ablated(h, &picked(weights, &[*column]), direction),
        })
    }

    /// The gradient through [`Steering::forward`]: a constant shift passes it on, a projection is its own transpose.
    pub fn backward(&self, index: usize, dy: Tensor<B, 2>, weights: &Tensor<B, 2>) -> Tensor<B, 2> {
        self.blocks[index].iter().rev().fold(dy, |dy, step| match step {
            Step::Add { .. } => dy,
            Step::Ablate { column, direction } => ablated(dy, &picked(weights, &[*column]), direction),
        })
    }
}

impl Part {
    /// A hash of what it does at coefficient 1, and where.
    fn mark(&self) -> u64 {
        let steers = self.steers.iter().flat_map(|Steer { layer, vector }| {
            std::iter::once(layer.row() as u64).chain(vector.iter().map(|x| u64::from(x.to_bits())))
        });
        [self.op as u64, self.positions as u64].into_iter().chain(steers).fold(0, hashed)
    }

    /// Whether the part fits a model of `blocks` blocks of width `hidden`.
    fn check(&self, blocks: usize, hidden: usize) -> Result<()> {
        ensure!(self.coef.is_finite(), "the steering coefficient is {}", self.coef);
        let mut named = vec![false; blocks];
        for Steer { layer, vector } in &self.steers {
            if !(1..=blocks).contains(&layer.row()) {
                let what = format!("steering names layer {}, but the model has layers 1 to {blocks}", layer.row());
                return Err(Error::new(what).hint("layer L is the output of block L - 1, and row L of a vector file"));
            }
            ensure!(!std::mem::replace(&mut named[layer.block()], true), "steering names {layer} twice");
            if vector.len() != hidden {
                let what = format!("the vector of {layer} has width {}, the model {hidden}", vector.len());
                return Err(Error::new(what).hint("it was extracted from another model; extract it from this one"));
            }
            let norm = norm(vector);
            ensure!(norm.is_finite(), "the vector of {layer} is not finite");
            ensure!(norm > 0.0 || self.op == Op::Add, "the vector of {layer} is zero: there is no direction to ablate");
        }
        Ok(())
    }
}

/// One step of FNV-1a over a word: equal things give equal hashes, and a chance collision of 64 bits is not to be feared.
fn hashed(hash: u64, word: u64) -> u64 {
    (hash ^ word ^ 0xcbf2_9ce4_8422_2325).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29)
}

/// The columns of some parts.
fn picked<B: FusedOps>(weights: &Tensor<B, 2>, columns: &[usize]) -> Tensor<B, 2> {
    let [tokens, parts] = weights.dims();
    if columns.len() == parts {
        return weights.clone();
    }
    let one = |&column: &usize| weights.clone().slice([0..tokens, column..column + 1]);
    match columns {
        [column] => one(column),
        several => Tensor::cat(several.iter().map(one).collect(), 1),
    }
}

fn ablated<B: FusedOps>(h: Tensor<B, 2>, weights: &Tensor<B, 2>, direction: &Tensor<B, 2>) -> Tensor<B, 2> {
    let along = B::affine(&h, direction, None) * weights.clone();
    B::add_matmul(h, &along, direction, -1.0)
}
