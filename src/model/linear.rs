//! A projection: a frozen or trainable matrix, and the low-rank adapter that may sit on it.

use burn_tensor::Tensor;

pub use crate::kernels::Lora;
use crate::kernels::{FusedOps, Projection, ProjectionGrads};

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

/// Lays matrices that multiply one input into one tensor, one below the other, each of which becomes a view of its rows: no
/// byte is held twice, and one product serves all. Nothing happens where that tensor had more than `bytes_max`, or a view
/// would be a copy.
pub fn stack<B: FusedOps, const N: usize>(linears: [&mut Linear<B>; N], bytes_max: u64) -> Option<Tensor<B, 2>> {
    let bytes = |linear: &Linear<B>| linear.weight.shape().num_elements() * linear.weight.dtype().size();
    let sizes: Vec<usize> = linears.iter().map(|linear| bytes(linear)).collect();
    if sizes.iter().sum::<usize>() as u64 > bytes_max || sizes.iter().any(|size| !size.is_multiple_of(B::VIEW_BYTES)) {
        return None;
    }
    let stack = Tensor::cat(linears.iter().map(|linear| linear.weight.clone()).collect(), 0);
    let mut from = 0;
    for linear in linears {
        let rows = linear.weight.dims()[0];
        linear.weight = stack.clone().narrow(0, from, rows);
        from += rows;
    }
    Some(stack)
}

/// Projections of one input, `[n, in] -> [n, out]` each. `stack` is what [`stack`] gave.
pub fn forward<B: FusedOps, const N: usize>(
    x: &Tensor<B, 2>,
    stack: Option<&Tensor<B, 2>>,
    linears: [&Linear<B>; N],
) -> [Tensor<B, 2>; N] {
    let ys = B::project(x, stack, &linears.map(Linear::projection));
    ys.try_into().expect("an output for every projection")
}

/// `sum + down(silu(gate(x)) · up(x))`, `[n, hidden]`, where no backward pass follows. `stack` is what [`stack`] gave for gate and up.
pub fn add_mlp<B: FusedOps>(
    sum: &Tensor<B, 2>,
    x: &Tensor<B, 2>,
    stack: Option<&Tensor<B, 2>>,
    linears: [&Linear<B>; 3],
) -> Tensor<B, 2> {
    B::add_mlp(sum, x, stack, &linears.map(Linear::projection))
}

/// `sum [n, out]` and a projection of `x [n, in]`.
pub fn add_forward<B: FusedOps>(sum: &Tensor<B, 2>, x: &Tensor<B, 2>, linear: &Linear<B>) -> Tensor<B, 2> {
    B::add_projection(sum, x, &linear.projection())
}

/// From the gradients of [`forward`]'s outputs to that of its input, and those of each projection's parameters, flat, in the
/// order of [`Linear::parameters`]. With `sums`, those of the adapters are added to these instead.
pub fn backward<B: FusedOps, const N: usize>(
    x: &Tensor<B, 2>,
    dys: [Tensor<B, 2>; N],
    stack: Option<&Tensor<B, 2>>,
    linears: [&Linear<B>; N],
    learning: Learning,
    sums: Option<&mut [Tensor<B, 1>]>,
) -> (Tensor<B, 2>, [Vec<Tensor<B, 1>>; N]) {
    let projections = linears.map(Linear::projection);
    if let Some(sums) = sums {
        return (B::project_backward_onto(x, &dys, &projections, sums), std::array::from_fn(|_| Vec::new()));
    }
    let ProjectionGrads { dx, adapters } =
        B::project_backward(x, &dys, stack, &projections, learning == Learning::Lora);
    let mut adapters = adapters.into_iter();
    let mut i = 0;
    let parameters = linears.map(|linear| {
        let (dy, adapter) = (&dys[i], adapters.next().flatten());
        i += 1;
        match learning {
            Learning::Full => linear.own_gradients(x, dy),
            Learning::Lora | Learning::Nothing => adapter.into_iter().flat_map(|(a, b)| [flat(a), flat(b)]).collect(),
        }
    });
    (dx, parameters)
}

impl<B: FusedOps> Linear<B> {
    fn projection(&self) -> Projection<'_, B> {
        Projection { weight: &self.weight, bias: self.bias.as_ref(), lora: self.lora.as_ref() }
    }

    /// Gradients of matrix and bias.
    fn own_gradients(&self, x: &Tensor<B, 2>, dy: &Tensor<B, 2>) -> Vec<Tensor<B, 1>> {
        let mut parameters = vec![flat(B::matmul(&dy.clone().transpose(), x, 1.0))];
        if self.bias.is_some() {
            parameters.push(dy.clone().sum_dim(0).squeeze_dim(0));
        }
        parameters
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
