//! Keys and values of the tokens so far: preallocated, written in place, ended rows given to others.

use burn_tensor::{DType, Int, Tensor, TensorData};

use super::pass::Pass;
use crate::kernels::FusedOps;

/// The cache of one batch, `[rows, columns, key-value channels]` per block, in the dtype of [`FusedOps::key_dtype`]. It may have more rows than a pass.
#[derive(Debug)]
pub struct KvCache<B: FusedOps> {
    blocks: Vec<Slot<B>>,
    rows: usize,
    columns: usize,
}

/// One block's keys and values. They are taken out for a write and put back, so that the tensor has one owner: only
/// then is the write in place.
#[derive(Debug)]
pub struct Slot<B: FusedOps>(Option<(Tensor<B, 3>, Tensor<B, 3>)>);

impl<B: FusedOps> Slot<B> {
    /// Turns the queries and the new keys of the pass's rows, writes the keys and the new values into the first rows, and gives the
    /// queries, and all keys and values of those rows for reading.
    pub fn append(
        &mut self,
        queries_keys_values: [Tensor<B, 2>; 3],
        pass: &Pass<B>,
    ) -> (Tensor<B, 2>, Tensor<B, 3>, Tensor<B, 3>) {
        let cache = self.0.take().expect("a slot is empty only during its own write");
        let span = &pass.span;
        let (q, keys, values) = B::cache_append(cache, queries_keys_values, &pass.angles, span);
        self.0 = Some((keys.clone(), values.clone()));
        let first = |t: Tensor<B, 3>| if t.dims()[0] > span.rows() { t.narrow(0, 0, span.rows()) } else { t };
        (q, first(keys), first(values))
    }

    fn map(&mut self, f: impl Fn(Tensor<B, 3>) -> Tensor<B, 3>) {
        self.0 = self.0.take().map(|(k, v)| (f(k), f(v)));
    }
}

impl<B: FusedOps> KvCache<B> {
    /// An empty cache of as many blocks as there are dtypes.
    pub fn new(blocks: &[DType], [rows, columns, channels]: [usize; 3], device: &B::Device) -> Self {
        let empty = |dtype: DType| Tensor::zeros([rows, columns, channels], (device, dtype));
        let slot = |dtype: &DType| Slot(Some((empty(*dtype), empty(*dtype))));
        Self { blocks: blocks.iter().map(slot).collect(), rows, columns }
    }

    /// Rows, those that no pass uses yet included.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns per row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One block's part.
    pub fn slot(&mut self, block: usize) -> &mut Slot<B> {
        &mut self.blocks[block]
    }

    /// Keeps the given rows, in the given order, as often as they are named: retires rows, and copies a prompt's
    /// prefill to all of its rollouts.
    pub fn select(&mut self, rows: &[usize], device: &B::Device) {
        *self = self.selected(rows, device);
    }

    /// A cache of the given rows, as [`KvCache::select`] would leave it; this one stays as it is.
    pub fn selected(&self, rows: &[usize], device: &B::Device) -> Self {
        let indices = indices(rows, device);
        let copy = |slot: &Slot<B>| {
            let pair = slot.0.as_ref();
            Slot(pair.map(|(k, v)| (k.clone().select(0, indices.clone()), v.clone().select(0, indices.clone()))))
        };
        Self { blocks: self.blocks.iter().map(copy).collect(), rows: rows.len(), columns: self.columns }
    }

    /// A cache of its own for the first `columns` columns of one row.
    pub fn beginning_of(&self, row: usize, columns: usize) -> Self {
        // Added to zeros, or a view would keep the whole cache alive.
        let part = |t: &Tensor<B, 3>| {
            let part = t.clone().narrow(0, row, 1).narrow(1, 0, columns);
            Tensor::zeros(part.dims(), (&part.device(), part.dtype())) + part
        };
        let copy = |slot: &Slot<B>| Slot(slot.0.as_ref().map(|(k, v)| (part(k), part(v))));
        Self { blocks: self.blocks.iter().map(copy).collect(), rows: 1, columns }
    }

    /// Begins each of the given rows anew with the rows of another cache, which is not wider: what is beyond them is emptied.
    pub fn put(&mut self, rows: &[usize], from: &Self) {
        assert!(rows.len() == from.rows && from.columns <= self.columns, "a place for every row and column");
        for (slot, from) in self.blocks.iter_mut().zip(&from.blocks) {
            let (k, v) = slot.0.take().expect("full");
            let (from_k, from_v) = from.0.as_ref().expect("full");
            slot.0 = Some((B::cache_put(k, rows, from_k), B::cache_put(v, rows, from_v)));
        }
    }

    /// Adds empty rows at the end.
    pub fn grow(&mut self, rows: usize) {
        let more = rows.saturating_sub(self.rows);
        if more == 0 {
            return;
        }
        self.rows = rows;
        for slot in &mut self.blocks {
            slot.map(|t| {
                let [_, columns, channels] = t.dims();
                let empty = Tensor::zeros([more, columns, channels], (&t.device(), t.dtype()));
                Tensor::cat(vec![t, empty], 0)
            });
        }
    }

    /// Makes every row `columns` wide: new columns are empty, and those cut off must have been.
    pub fn resize(&mut self, columns: usize) {
        let old = std::mem::replace(&mut self.columns, columns);
        if columns == old {
            return;
        }
        for slot in &mut self.blocks {
            slot.map(|t| {
                let [rows, _, channels] = t.dims();
                if columns < old {
                    return t.narrow(1, 0, columns);
                }
                let empty = Tensor::zeros([rows, columns - old, channels], (&t.device(), t.dtype()));
                Tensor::cat(vec![t, empty], 1)
            });
        }
    }

    /// Empties each row's columns from `end[b]` on: what a pass over rows of unequal length wrote for their padding.
    pub fn clear_from(&mut self, end: &[usize], device: &B::Device) {
        let columns = self.columns;
        if end.iter().all(|&end| end >= columns) {
            return;
        }
        let kept: Vec<f32> =
            end.iter().flat_map(|&end| (0..columns).map(move |c| if c < end { 1.0 } else { 0.0 })).collect();
        let kept = Tensor::<B, 3>::from_data(TensorData::new(kept, [end.len(), columns, 1]), device);
        for slot in &mut self.blocks {
            slot.map(|t| {
                let kept = kept.clone().cast(t.dtype());
                t * kept
            });
        }
    }
}

fn indices<B: FusedOps>(rows: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let rows: Vec<i32> = rows.iter().map(|&r| r as i32).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}
