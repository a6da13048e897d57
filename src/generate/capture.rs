//! What is captured while answers are generated: means of the residual stream and projections onto directions. Both are
//! computed on the device; the sums are read once per answer, the projections once per token.

use burn::tensor::{Int, Tensor, TensorData};

use super::engine::read;
use crate::kernels::FusedOps;
use crate::language_model::{CaptureSpec, Residuals};
use crate::model::Qwen;
use crate::text::Rows;
use crate::vector::math::unit;
use crate::{Error, Result, ensure};

/// The mean over the prompt, and its last token.
const PROMPT_POSITIONS: usize = 2;

/// Captures what [`CaptureSpec`] asks for, for the rows of a scheduler.
pub(super) struct Capture<B: FusedOps> {
    device: B::Device,
    /// Rows of the stream and its width: `layers + 1`, `hidden`.
    shape: [usize; 2],
    residuals: bool,
    probes: Vec<Probes<B>>,
    /// Of each row of the scheduler, the sum over its answer's tokens that have been read: `[rows, layers + 1, hidden]`.
    sums: Option<Tensor<B, 3>>,
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

/// The states that one decoding step passed through.
pub(super) struct StepStates<B: FusedOps> {
    states: Vec<Tensor<B, 2>>,
    along: Vec<Tensor<B, 2>>,
}

impl<B: FusedOps> Capture<B> {
    /// Errors for a probe that the model has no layer for, or of another width, or without a direction.
    pub fn new(model: &Qwen<B>, spec: &CaptureSpec) -> Result<Self> {
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
        Ok(Self {
            device: model.device.clone(),
            shape: [layers + 1, hidden],
            residuals: spec.residuals,
            probes: probes.collect(),
            sums: None,
        })
    }

    /// Whether the state of an answer's last token is needed; without captures that token is never read by the model.
    pub fn wants_last(&self) -> bool {
        self.residuals || !self.probes.is_empty()
    }

    /// Takes one row of a step's residual stream.
    pub fn see(&self, row: usize, h: &Tensor<B, 2>, seen: &mut StepStates<B>) {
        if self.residuals {
            seen.states.push(h.clone());
        }
        self.project(row, h, seen);
    }

    /// Takes one row of the residual stream for the probes alone.
    pub fn project(&self, row: usize, h: &Tensor<B, 2>, seen: &mut StepStates<B>) {
        for probes in self.probes.iter().filter(|probes| probes.row == row) {
            seen.along.push(B::affine(h, &probes.directions, None));
        }
    }

    /// Adds a step's states to the sums of those rows that `count`.
    pub fn add(&mut self, seen: &mut StepStates<B>, count: &[bool]) {
        if let Some(sums) = self.sums.take() {
            let states = Tensor::stack::<3>(std::mem::take(&mut seen.states), 1);
            let share: Vec<f32> = count.iter().map(|&counts| f32::from(u8::from(counts))).collect();
            let share = Tensor::<B, 3>::from_data(TensorData::new(share, [count.len(), 1, 1]), &self.device);
            self.sums = Some(sums + states * share);
        }
    }

    /// The projections of the states that were taken onto every probe, `[places][probes]`.
    pub fn projections(&self, seen: StepStates<B>) -> Vec<Vec<f32>> {
        // In the order of the stream's rows, as `see` met them.
        let mut met: Vec<&Probes<B>> = self.probes.iter().collect();
        met.sort_by_key(|probes| probes.row);
        let places: Vec<usize> = met.iter().flat_map(|probes| &probes.places).copied().collect();
        let values = read(Tensor::cat(seen.along, 1));
        let row = |values: &[f32]| {
            let mut along = vec![0.0; places.len()];
            places.iter().zip(values).for_each(|(&place, &x)| along[place] = x);
            along
        };
        values.chunks(places.len()).map(row).collect()
    }

    /// Whether projections are captured.
    pub fn has_probes(&self) -> bool {
        !self.probes.is_empty()
    }

    /// Keeps the sums of the given rows only.
    pub fn select(&mut self, rows: &[usize]) {
        self.sums = self.sums.take().filter(|_| !rows.is_empty()).map(|sums| sums.select(0, self.ints(rows)));
    }

    /// Begins the sums of further rows.
    pub fn append(&mut self, rows: usize) {
        if self.residuals {
            let fresh = Tensor::zeros([rows, self.shape[0], self.shape[1]], &self.device);
            self.sums = Some(match self.sums.take() {
                Some(sums) => Tensor::cat(vec![sums, fresh], 0),
                None => fresh,
            });
        }
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
        self.residuals.then(|| Tensor::from_data(shares, &self.device))
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

    fn ints(&self, values: &[usize]) -> Tensor<B, 1, Int> {
        let values: Vec<i32> = values.iter().map(|&v| v as i32).collect();
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), &self.device)
    }
}

impl<B: FusedOps> StepStates<B> {
    /// No states yet.
    pub fn empty() -> Self {
        Self { states: Vec::new(), along: Vec::new() }
    }
}
