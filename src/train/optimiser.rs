//! AdamW with PyTorch's conventions, the linear schedule, and clipping by the global norm without a read-back.

use burn_tensor::Tensor;

use super::settings::FitSettings;
use crate::kernels::{AdamStep, FusedOps};
use crate::model::Parameter;

/// Linear warm-up from 0, then linear decay to 0 (transformers' `get_linear_schedule_with_warmup`).
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Highest learning rate.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup: usize,
    /// Steps in all.
    pub total: usize,
}

impl Schedule {
    /// Learning rate of step `k`, counted from 0: the first step of a warm-up has rate 0, the last step's is above 0.
    pub fn lr(&self, k: usize) -> f64 {
        if k < self.warmup {
            return self.peak * k as f64 / self.warmup as f64;
        }
        self.peak * self.total.saturating_sub(k) as f64 / self.total.saturating_sub(self.warmup).max(1) as f64
    }
}

/// AdamW (Loshchilov and Hutter 2019), with one pair of moments per tensor that learns.
#[derive(Debug)]
pub struct AdamW<B: FusedOps> {
    settings: AdamStep,
    max_grad_norm: f64,
    /// First and second moments, in the order of the parameters; empty before the first step.
    pub(super) moments: Vec<(Tensor<B, 1>, Tensor<B, 1>)>,
    pub(super) steps: usize,
}

impl<B: FusedOps> AdamW<B> {
    /// A fresh optimiser.
    pub fn new(settings: &FitSettings) -> Self {
        let (beta1, beta2) = settings.betas;
        let settings_of_step =
            AdamStep { lr: 0.0, beta1, beta2, epsilon: settings.epsilon, weight_decay: settings.weight_decay, step: 0 };
        Self { settings: settings_of_step, max_grad_norm: settings.max_grad_norm, moments: Vec::new(), steps: 0 }
    }

    /// Updates the parameters and gives the gradient's global norm before clipping, one element on the device.
    pub fn step(
        &mut self,
        parameters: &mut [(String, Parameter<'_, B>)],
        gradients: Vec<Tensor<B, 1>>,
        lr: f64,
    ) -> Tensor<B, 1> {
        assert_eq!(parameters.len(), gradients.len(), "a gradient for every parameter");
        let norm = B::sum_of_squares(&gradients).sqrt();
        // clip_grad_norm_: the epsilon keeps a zero gradient finite.
        let scale = norm.clone().add_scalar(1e-6).recip().mul_scalar(self.max_grad_norm).clamp_max(1.0);
        if self.moments.is_empty() {
            self.moments = gradients.iter().map(|g| (g.zeros_like(), g.zeros_like())).collect();
        }
        self.steps += 1;
        let mut moments = std::mem::take(&mut self.moments).into_iter();
        // One after the other, so that old and new values of all tensors are never held at once.
        for together in B::together(&gradients) {
            let (gradients, parameters) = (&gradients[together.clone()], &mut parameters[together]);
            let state =
                |((_, parameter), (first, second)): (&(_, Parameter<'_, B>), _)| (parameter.flat(), first, second);
            let states = parameters.iter().zip(moments.by_ref()).map(state).collect();
            let step = |(_, parameter): &(String, Parameter<'_, B>)| {
                let weight_decay = if parameter.is_matrix() { self.settings.weight_decay } else { 0.0 };
                AdamStep { lr, weight_decay, step: self.steps, ..self.settings }
            };
            let steps: Vec<AdamStep> = parameters.iter().map(step).collect();
            for ((_, parameter), (value, first, second)) in
                parameters.iter_mut().zip(B::adamw_of_all(states, gradients, &scale, &steps))
            {
                parameter.set(value);
                self.moments.push((first, second));
            }
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_starts_at_zero_and_ends_above_it() {
        let schedule = Schedule { peak: 1e-3, warmup: 2, total: 10 };
        let rates: Vec<f64> = (0..10).map(|k| schedule.lr(k)).collect();
        assert_eq!(&rates[..3], &[0.0, 5e-4, 1e-3]);
        assert!((rates[9] - 1e-3 / 8.0).abs() < 1e-12);
        assert_eq!(Schedule { peak: 1.0, warmup: 5, total: 3 }.lr(2), 0.4);
    }
}
