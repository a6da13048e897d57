//! The embedding and the head: matrices with a row for every token of the vocabulary, by far the largest of a model.
//!
//! A device may be unable to bind one of them whole (wgpu binds 128 MiB to 2 GiB at once; Qwen2.5-7B's head has 2.2 GB in
//! f32), so a table is held in parts of whole rows, and only this file knows.

use std::ops::Range;

use burn_tensor::{DType, Int, Tensor};

use super::linear::{Parameter, flat};
use crate::kernels::FusedOps;

/// A matrix `[vocabulary, hidden]` in one part or several.
#[derive(Debug, Clone)]
pub struct TokenTable<B: FusedOps> {
    parts: Vec<Tensor<B, 2>>,
}

impl<B: FusedOps> From<Tensor<B, 2>> for TokenTable<B> {
    fn from(whole: Tensor<B, 2>) -> Self {
        Self { parts: vec![whole] }
    }
}

impl<B: FusedOps> TokenTable<B> {
    /// A table of these rows, part after part.
    pub fn new(parts: Vec<Tensor<B, 2>>) -> Self {
        assert!(parts.windows(2).all(|two| two[0].dims()[1] == two[1].dims()[1]), "parts of one width");
        assert!(!parts.is_empty(), "a table has rows");
        Self { parts }
    }

    /// The parts.
    pub fn parts(&self) -> &[Tensor<B, 2>] {
        &self.parts
    }

    /// `[vocabulary, hidden]`.
    pub fn dims(&self) -> [usize; 2] {
        [self.parts.iter().map(|part| part.dims()[0]).sum(), self.parts[0].dims()[1]]
    }

    /// The same table with another matrix in place of each part.
    pub fn map(self, f: impl FnMut(Tensor<B, 2>) -> Tensor<B, 2>) -> Self {
        Self { parts: self.parts.into_iter().map(f).collect() }
    }

    /// The first rows: those that stand for tokens, where a model has more.
    pub fn first(&self, rows: usize) -> Self {
        let parts = self.places().zip(&self.parts).filter(|(place, _)| place.start < rows);
        let cut = parts.map(|(place, part)| match rows < place.end {
            true => B::first_rows(part, rows - place.start),
            false => part.clone(),
        });
        Self { parts: cut.collect() }
    }

    /// The rows of these tokens in f32, `[n] -> [n, hidden]`.
    pub fn look_up(&self, ids: &Tensor<B, 1, Int>) -> Tensor<B, 2> {
        if let [whole] = self.parts.as_slice() {
            return B::rows_of(whole, ids);
        }
        let found = self.places().zip(&self.parts).map(|(place, part)| {
            let (ids, inside) = within(ids, place);
            B::rows_of(part, &ids) * inside
        });
        found.reduce(|sum, rows| sum + rows).expect("a table has rows")
    }

    /// `x · tableᵀ`: `[n, hidden] -> [n, vocabulary]`.
    pub fn product(&self, x: &Tensor<B, 2>) -> Tensor<B, 2> {
        let mut parts: Vec<_> = self.parts.iter().map(|part| B::affine(x, part, None)).collect();
        if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 1) }
    }

    /// `dy · table`, the gradient of [`TokenTable::product`] with respect to `x`: `[n, vocabulary] -> [n, hidden]`.
    pub fn product_backward(&self, dy: &Tensor<B, 2>) -> Tensor<B, 2> {
        let zeros = Tensor::zeros([dy.dims()[0], self.dims()[1]], &dy.device());
        let parts = self.places().zip(&self.parts);
        parts.fold(zeros, |sum, (place, part)| B::add_matmul(sum, &self.columns(dy, place), part, 1.0))
    }

    /// Zeros in the shape of this table, in f32: where its gradient is gathered.
    pub fn zeros(&self) -> Self {
        let parts = self.parts.iter().map(|part| Tensor::zeros(part.dims(), (&part.device(), DType::F32)));
        Self { parts: parts.collect() }
    }

    /// Adds the gradient of [`TokenTable::product`] with respect to the table, `dyᵀ · x`.
    pub fn add_product_gradient(self, dy: &Tensor<B, 2>, x: &Tensor<B, 2>) -> Self {
        let places: Vec<_> = self.places().collect();
        let columns: Vec<_> = places.into_iter().map(|place| self.columns(dy, place)).collect();
        let parts = self.parts.into_iter().zip(columns);
        Self { parts: parts.map(|(sum, dy)| B::add_matmul(sum, &dy.transpose(), x, 1.0)).collect() }
    }

    /// The gradient of [`TokenTable::look_up`] with respect to the table: each row of `dy` added to its token's row.
    pub fn look_up_gradient(&self, dy: &Tensor<B, 2>, ids: &Tensor<B, 1, Int>) -> Self {
        if let [whole] = self.parts.as_slice() {
            return B::scatter_rows(dy, ids, whole.dims()[0]).into();
        }
        let parts = self.places().map(|place| {
            let rows = place.len();
            let (ids, inside) = within(ids, place);
            B::scatter_rows(&(dy.clone() * inside), &ids, rows)
        });
        Self { parts: parts.collect() }
    }

    /// The sum of two gradients of one table.
    pub fn plus(self, other: Self) -> Self {
        Self { parts: self.parts.into_iter().zip(other.parts).map(|(a, b)| a + b).collect() }
    }

    /// The values of each part, one row after the other, in the order of [`TokenTable::parameters`].
    pub fn flat(self) -> impl Iterator<Item = Tensor<B, 1>> {
        self.parts.into_iter().map(flat)
    }

    /// The parts as parameters. Where there are several, the part's number follows the name.
    pub fn parameters<'a>(&'a mut self, name: &str, into: &mut Vec<(String, Parameter<'a, B>)>) {
        let several = self.parts.len() > 1;
        let name = |i: usize| if several { format!("{name}.{i}") } else { name.to_owned() };
        into.extend(self.parts.iter_mut().enumerate().map(|(i, part)| (name(i), Parameter::Matrix(part))));
    }

    /// The rows that each part holds.
    fn places(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.parts.iter().scan(0, |from, part| {
            let start = *from;
            *from += part.dims()[0];
            Some(start..*from)
        })
    }

    /// The columns of `[n, vocabulary]` that belong to a part.
    fn columns(&self, t: &Tensor<B, 2>, place: Range<usize>) -> Tensor<B, 2> {
        if self.parts.len() == 1 { t.clone() } else { t.clone().narrow(1, place.start, place.len()) }
    }
}

/// Ids as seen from a part that holds these rows, and `[n, 1]` with 1 where the part has them; elsewhere the id is any.
fn within<B: FusedOps>(ids: &Tensor<B, 1, Int>, place: Range<usize>) -> (Tensor<B, 1, Int>, Tensor<B, 2>) {
    let last = place.len() as i32 - 1;
    let here = ids.clone().sub_scalar(place.start as i32);
    let inside = here.clone().greater_equal_elem(0).bool_and(here.clone().lower_equal_elem(last));
    (here.clamp(0, last), inside.float().unsqueeze_dim(1))
}
