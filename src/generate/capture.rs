//! What is captured while answers are generated: means of the residual stream and projections onto directions. Both are
//! computed on the device; the sums are read once per answer, the projections once per token.

use burn_tensor::{Int, Tensor, TensorData};

use super::engine::read;
use crate::kernels::FusedOps;
use crate::language_model::{CaptureSpec, Residuals};
use crate::model::Transformer;
use crate::text::Rows;
use crate::vector::math::unit;
use crate::{Error, Result, ensure};

/// The mean over the prompt, and its last token.
const PROMPT_POSITIONS: usize = 2;

/// What [`CaptureSpec`] asks for, ready for a model.
pub(super) struct Capture<B: FusedOps> {
    pub spec: CaptureSpec,
    device: B::Device,
    /// Rows of the stream and its width: `layers + 1`, `hidden`.
    shape: [usize; 2],
    probes: Vec<Probes<B>>,
}

/// The probes of one row of the stream.
struct Probes<B: FusedOps> {
    row: usize,
    /// Their places among all probes.
    places: Vec<usize>,
    /// Unit vectors, `[probes, hidden]`.
    directions: Tensor<B, 2>,
}

/// The residual stream over a prompt, `[layers + 1][hidden]`.
#[derive(Debug, Clone, Default)]
pub(super) struct PromptStates {
    pub avg: Vec<Vec<f32>>,
    pub last: Vec<Vec<f32>>,
}

/// Projections of the states that one pass went through, in the order in which they were met: one tensor for each row of the
/// stream that has probes.
pub(super) type Along<B> = Vec<Tensor<B, 2>>;

/// Of each row of a scheduler, the sum of the states over its answer's tokens that have been read.
pub(super) struct Sums<B: FusedOps> {
    device: B::Device,
    /// `[rows, layers + 1, hidden]`; nothing as long as no row is captured.
    sums: Option<Tensor<B, 3>>,
    shape: [usize; 2],
}

impl<B: FusedOps> Capture<B> {
    /// Errors for a probe that the model has no layer for, or of another width, or without a direction.
    pub fn new(model: &Transformer<B>, spec: CaptureSpec) -> Result<Self> {
        let (layers, hidden) = (model.blocks.len(), model.config.hidden_size);
        let mut rows: Vec<(usize, Vec<usize>, Vec<f32>)> = Vec::new();
        for (place, probe) in spec.probes.iter().enumerate() {
            let (row, width) = (probe.layer.row(), probe.vector.len());
            ensure!((1..=layers).contains(&row), "probe {place} is at layer {row}, the model has layers 1 to {layers}");
            ensure!(width == hidden, "probe {place} is {width} wide, the model's residual stream {hidden}");
            let unit = unit(&probe.vector).ok_or_else(|| Error::new(format!("probe {place} has no direction")))?;
            match rows.iter_mut().find(|found| found.0 == row) {
                Some((_, places, units)) => {
                    places.push(place);
                    units.extend(unit);
                }
                None => rows.push((row, vec![place], unit)),
            }
        }
        let probes = rows.into_iter().map(|(row, places, units)| {
            let directions = TensorData::new(units, [places.len(), hidden]);
            Probes { row, directions: Tensor::from_data(directions, &model.device), places }
        });
        Ok(Self { device: model.device.clone(), shape: [layers + 1, hidden], probes: probes.collect(), spec })
    }

    /// Whether the state of an answer's last token is needed; without captures that token is never read by the model.
    pub fn wants_last(&self) -> bool {
        self.spec.residuals || self.has_probes()
    }

    /// Whether anything is taken of the prompts.
    pub fn reads_prompt(&self) -> bool {
        self.spec.residuals || self.spec.prompt
    }

    /// The row of the residual stream up to which a prompt is read, if not to the end: nothing is said after it, and no
    /// likelihood is wanted.
    pub fn top(&self) -> Option<usize> {
        let CaptureSpec { top_logprobs, residuals, prompt_only, .. } = self.spec;
        let ends = prompt_only && top_logprobs == 0 && !residuals;
        ends.then(|| self.probes.iter().map(|probes| probes.row).max().unwrap_or(0))
    }

    /// Whether projections are captured.
    pub fn has_probes(&self) -> bool {
        !self.probes.is_empty()
    }

    /// Takes one row of the residual stream for the probes.
    pub fn project(&self, row: usize, h: &Tensor<B, 2>, along: &mut Along<B>) {
        for probes in self.probes.iter().filter(|probes| probes.row == row) {
            along.push(B::affine(h, &probes.directions, None));
        }
    }

    /// The projections of the states that were taken onto every probe, `[places][probes]`.
    pub fn projections(&self, along: Along<B>) -> Vec<Vec<f32>> {
        // In the order of the stream's rows, as `project` met them.
        let mut met: Vec<&Probes<B>> = self.probes.iter().collect();
        met.sort_by_key(|probes| probes.row);
        let places: Vec<usize> = met.iter().flat_map(|probes| &probes.places).copied().collect();
        let values = read(Tensor::cat(along, 1));
        let row = |values: &[f32]| {
            let mut along = vec![0.0; places.len()];
            places.iter().zip(values).for_each(|(&place, &x)| along[place] = x);
            along
        };
        values.chunks(places.len()).map(row).collect()
    }

    /// Which share each token of a prefill has in its prompt's means, `[prompts, positions, width]`; `None` if residuals are not captured.
    pub fn prompt_shares(&self, rows: &Rows) -> Option<Tensor<B, 3>> {
        let (n, width) = (rows.len(), rows.width);
        let mut shares = vec![0.0f32; n * PROMPT_POSITIONS * width];
        for (b, shares) in shares.chunks_mut(PROMPT_POSITIONS * width).enumerate() {
            let prompt = rows.end[b];
            shares[..prompt].fill(1.0 / prompt as f32);
            shares[width + prompt - 1] = 1.0;
        }
        let shares = TensorData::new(shares, [n, PROMPT_POSITIONS, width]);
        self.spec.residuals.then(|| Tensor::from_data(shares, &self.device))
    }

    /// The prompts' own states, from one row of the stream after another, each averaged by [`Capture::prompt_shares`].
    pub fn prompts(&self, means: Vec<Tensor<B, 3>>, prompts: usize) -> Vec<PromptStates> {
        if means.is_empty() {
            return vec![PromptStates::default(); prompts];
        }
        let [layers, hidden] = self.shape;
        let values = read(Tensor::stack::<4>(means, 0)); // [layers + 1, prompts, positions, hidden]
        let at = |b: usize, position: usize| -> Vec<Vec<f32>> {
            let place = |l: usize| ((l * prompts + b) * PROMPT_POSITIONS + position) * hidden;
            (0..layers).map(|l| values[place(l)..][..hidden].to_vec()).collect()
        };
        (0..prompts).map(|b| PromptStates { avg: at(b, 0), last: at(b, 1) }).collect()
    }
}

impl<B: FusedOps> Sums<B> {
    /// Those of no rows yet.
    pub fn new(model: &Transformer<B>) -> Self {
        let shape = [model.blocks.len() + 1, model.config.hidden_size];
        Self { device: model.device.clone(), sums: None, shape }
    }

    /// Begins the sums of the given rows anew, of so many in all.
    pub fn begin(&mut self, rows: &[usize], all: usize) {
        let [layers, hidden] = self.shape;
        let fresh = |rows| Tensor::zeros([rows, layers, hidden], &self.device);
        self.sums = Some(match self.sums.take() {
            Some(sums) => {
                let old = sums.dims()[0];
                let share: Vec<f32> = (0..old).map(|row| if rows.contains(&row) { 0.0 } else { 1.0 }).collect();
                let share = Tensor::<B, 3>::from_data(TensorData::new(share, [old, 1, 1]), &self.device);
                let kept = sums * share;
                if all > old { Tensor::cat(vec![kept, fresh(all - old)], 0) } else { kept }
            }
            None => fresh(all),
        });
    }

    /// Adds a step's states, one row of the stream after another, to the sums of those rows that `count`.
    pub fn add(&mut self, states: Vec<Tensor<B, 2>>, count: &[bool]) {
        if let Some(sums) = self.sums.take() {
            let states = Tensor::stack::<3>(states, 1);
            let share: Vec<f32> = count.iter().map(|&counts| f32::from(u8::from(counts))).collect();
            let share = Tensor::<B, 3>::from_data(TensorData::new(share, [count.len(), 1, 1]), &self.device);
            self.sums = Some(sums + states * share);
        }
    }

    /// Keeps the sums of the given rows only.
    pub fn select(&mut self, rows: &[usize]) {
        self.sums = self.sums.take().filter(|_| !rows.is_empty()).map(|sums| sums.select(0, self.ints(rows)));
    }

    /// The residual stream of an ended answer of `count` read tokens, for each of the given `(row, count, prompt)`.
    pub fn residuals(&self, ended: &[(usize, usize, &PromptStates)]) -> Vec<Option<Residuals>> {
        let Some(sums) = self.sums.as_ref().filter(|_| !ended.is_empty()) else { return vec![None; ended.len()] };
        let rows: Vec<usize> = ended.iter().map(|e| e.0).collect();
        let values = read(sums.clone().select(0, self.ints(&rows)));
        let [layers, hidden] = self.shape;
        let of = |(sums, &(_, count, prompt)): (&[f32], &(usize, usize, &PromptStates))| {
            let mean = |row: &[f32]| row.iter().map(|x| x / count as f32).collect();
            (count > 0).then(|| Residuals {
                response_avg: sums.chunks(hidden).map(mean).collect(),
                prompt_avg: prompt.avg.clone(),
                prompt_last: prompt.last.clone(),
            })
        };
        values.chunks(layers * hidden).zip(ended).map(of).collect()
    }

    fn ints(&self, values: &[usize]) -> Tensor<B, 1, Int> {
        let values: Vec<i32> = values.iter().map(|&v| v as i32).collect();
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), &self.device)
    }
}
