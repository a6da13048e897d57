//! A projection: a frozen or trainable matrix, and the low-rank adapter that may sit on it.

use burn::tensor::Tensor;

use crate::kernels::FusedOps;

/// `y = x · Wᵀ + b + scale · (x · A) · B`, without ever forming `W + scale · (A · B)ᵀ`.
#[derive(Debug, Clone)]
pub struct Linear<B: FusedOps> {
    /// `[out, in]`, as in the checkpoint.
    pub weight: Tensor<B, 2>,
    /// `[out]`.
    pub bias: Option<Tensor<B, 1>>,
    /// The adapter.
    pub lora: Option<Lora<B>>,
}

/// A low-rank adapter (Hu et al. 2021), always f32.
#[derive(Debug, Clone)]
pub struct Lora<B: FusedOps> {
    /// `[in, rank]`: PEFT's `lora_A`, transposed.
    pub a: Tensor<B, 2>,
    /// `[rank, out]`: PEFT's `lora_B`, transposed.
    pub b: Tensor<B, 2>,
    /// `alpha / rank`, or `alpha / sqrt(rank)` when rank-stabilised (Kalajdzievski 2023).
    pub scale: f32,
}

/// What the backward pass of one [`Linear`] gives.
pub struct LinearGrads<B: FusedOps> {
    /// `[n, in]`.
    pub dx: Tensor<B, 2>,
    /// Gradients of the trainable tensors, flat, in the order of [`Linear::parameters`].
    pub parameters: Vec<Tensor<B, 1>>,
}

/// Which tensors learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learning {
    /// The adapters only; everything else is frozen and costs no gradient.
    Lora,
    /// Every weight, without adapters.
    Full,
    /// None: gradients pass through the model and are not kept.
    Nothing,
}

impl<B: FusedOps> Linear<B> {
    /// `[n, in] -> [n, out]`.
    pub fn forward(&self, x: &Tensor<B, 2>) -> Tensor<B, 2> {
        self.add_adapter(B::affine(x, &self.weight, self.bias.as_ref()), x)
    }

    /// [`Linear::forward`] on top of `sum [n, out]`.
    pub fn add_forward(&self, sum: &Tensor<B, 2>, x: &Tensor<B, 2>) -> Tensor<B, 2> {
        self.add_adapter(B::add_affine(sum, x, &self.weight, self.bias.as_ref()), x)
    }

    fn add_adapter(&self, y: Tensor<B, 2>, x: &Tensor<B, 2>) -> Tensor<B, 2> {
        match &self.lora {
            Some(lora) => {
                let low = B::matmul(x, &lora.a, 1.0);
                B::add_matmul(y, &low, &lora.b, lora.scale)
            }
            None => y,
        }
    }

    /// Adds the gradient with respect to `x` to `dx` (zero if `None`) and gives those of the parameters.
    pub fn backward(
        &self,
        x: &Tensor<B, 2>,
        dy: &Tensor<B, 2>,
        dx: Option<Tensor<B, 2>>,
        learning: Learning,
    ) -> LinearGrads<B> {
        let dx = match dx {
            Some(dx) => B::add_matmul(dx, dy, &self.weight, 1.0),
            None => B::matmul(dy, &self.weight, 1.0),
        };
        match (learning, &self.lora) {
            (Learning::Lora | Learning::Nothing, None) => LinearGrads { dx, parameters: Vec::new() },
            (Learning::Lora | Learning::Nothing, Some(lora)) => {
                let dlow = B::matmul(dy, &lora.b.clone().transpose(), lora.scale);
                if learning == Learning::Nothing {
                    let dx = B::add_matmul(dx, &dlow, &lora.a.clone().transpose(), 1.0);
                    return LinearGrads { dx, parameters: Vec::new() };
                }
                // Recomputed rather than kept: rank columns against the in columns that are kept anyway.
                let low = B::matmul(x, &lora.a, 1.0);
                let da = B::matmul(&x.clone().transpose(), &dlow, 1.0);
                let db = B::matmul(&low.transpose(), dy, lora.scale);
                let dx = B::add_matmul(dx, &dlow, &lora.a.clone().transpose(), 1.0);
                LinearGrads { dx, parameters: vec![flat(da), flat(db)] }
            }
            (Learning::Full, _) => {
                let dweight = B::matmul(&dy.clone().transpose(), x, 1.0);
                let mut parameters = vec![flat(dweight)];
                if self.bias.is_some() {
                    parameters.push(dy.clone().sum_dim(0).squeeze_dim(0));
                }
                LinearGrads { dx, parameters }
            }
        }
    }

    /// The tensors that learn, with their names, in a fixed order.
    pub fn parameters<'a>(&'a mut self, name: &str, learning: Learning, into: &mut Vec<(String, Parameter<'a, B>)>) {
        match (learning, &mut self.lora) {
            (Learning::Nothing, _) | (Learning::Lora, None) => {}
            (Learning::Lora, Some(lora)) => {
                into.push((format!("{name}.lora_A"), Parameter::Matrix(&mut lora.a)));
                into.push((format!("{name}.lora_B"), Parameter::Matrix(&mut lora.b)));
            }
            (Learning::Full, _) => {
                into.push((format!("{name}.weight"), Parameter::Matrix(&mut self.weight)));
                if let Some(bias) = &mut self.bias {
                    into.push((format!("{name}.bias"), Parameter::Vector(bias)));
                }
            }
        }
    }
}

/// A tensor that learns, borrowed from its model.
pub enum Parameter<'a, B: FusedOps> {
    /// A gain or a bias.
    Vector(&'a mut Tensor<B, 1>),
    /// A weight.
    Matrix(&'a mut Tensor<B, 2>),
}

impl<B: FusedOps> Parameter<'_, B> {
    /// The values, flat: a view where the tensor is packed.
    pub fn flat(&self) -> Tensor<B, 1> {
        match self {
            Self::Vector(t) => (**t).clone(),
            Self::Matrix(t) => flat((**t).clone()),
        }
    }

    /// Puts flat values back.
    pub fn set(&mut self, values: Tensor<B, 1>) {
        match self {
            Self::Vector(t) => **t = values,
            Self::Matrix(t) => **t = values.reshape(t.dims()),
        }
    }

    /// Whether weight decay applies: to matrices, as is usual for gains and biases not to shrink.
    pub fn is_matrix(&self) -> bool {
        matches!(self, Self::Matrix(_))
    }

    /// Rows and columns; a vector is one row.
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Vector(t) => [1, t.dims()[0]],
            Self::Matrix(t) => t.dims(),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Vector(t) => t.dims()[0],
            Self::Matrix(t) => t.dims().iter().product(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A matrix as one row after the other.
pub fn flat<B: FusedOps>(t: Tensor<B, 2>) -> Tensor<B, 1> {
    let n: usize = t.dims().iter().product();
    t.reshape([n])
}
