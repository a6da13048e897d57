//! Keys and values of the tokens so far: preallocated, written in place, rows retired by selection.

use burn::tensor::{Int, Tensor, TensorData};

use crate::kernels::FusedOps;

/// The cache of one batch, `[rows, columns, key-value channels]` per block.
#[derive(Debug)]
pub struct KvCache<B: FusedOps> {
    blocks: Vec<Slot<B>>,
    columns: usize,
}

/// One block's keys and values. They are taken out for a write and put back, so that the tensor has one owner: only
/// then is the write in place.
#[derive(Debug)]
pub struct Slot<B: FusedOps>(Option<(Tensor<B, 3>, Tensor<B, 3>)>);

impl<B: FusedOps> Slot<B> {
    /// Writes the new columns of each row from `at[b]` on and gives all keys and values for reading.
    pub fn write(&mut self, k: &Tensor<B, 3>, v: &Tensor<B, 3>, at: &[usize]) -> (Tensor<B, 3>, Tensor<B, 3>) {
        let (keys, values) = self.0.take().expect("a slot is empty only during its own write");
        let (keys, values) = (B::cache_write(keys, k, at), B::cache_write(values, v, at));
        self.0 = Some((keys.clone(), values.clone()));
        (keys, values)
    }

    fn map(&mut self, f: impl Fn(Tensor<B, 3>) -> Tensor<B, 3>) {
        self.0 = self.0.take().map(|(k, v)| (f(k), f(v)));
    }
}

impl<B: FusedOps> KvCache<B> {
    /// An empty cache.
    pub fn new(blocks: usize, rows: usize, columns: usize, channels: usize, device: &B::Device) -> Self {
        let empty = || Tensor::zeros([rows, columns, channels], device);
        Self { blocks: (0..blocks).map(|_| Slot(Some((empty(), empty())))).collect(), columns }
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
        let rows = indices(rows, device);
        for slot in &mut self.blocks {
            slot.map(|t| t.select(0, rows.clone()));
        }
    }

    /// A cache of the given rows, as [`KvCache::select`] would leave it; this one stays as it is.
    pub fn selected(&self, rows: &[usize], device: &B::Device) -> Self {
        let rows = indices(rows, device);
        let copy = |slot: &Slot<B>| {
            let pair = slot.0.as_ref();
            Slot(pair.map(|(k, v)| (k.clone().select(0, rows.clone()), v.clone().select(0, rows.clone()))))
        };
        Self { blocks: self.blocks.iter().map(copy).collect(), columns: self.columns }
    }

    /// Appends the rows of another cache of the same width.
    pub fn append(&mut self, other: Self) {
        assert_eq!(self.columns, other.columns, "caches of one width");
        for (slot, other) in self.blocks.iter_mut().zip(other.blocks) {
            let (k, v) = slot.0.take().expect("full");
            let (k2, v2) = other.0.expect("full");
            slot.0 = Some((Tensor::cat(vec![k, k2], 0), Tensor::cat(vec![v, v2], 0)));
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
                let empty = Tensor::zeros([rows, columns - old, channels], &t.device());
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
            slot.map(|t| t * kept.clone());
        }
    }
}

fn indices<B: FusedOps>(rows: &[usize], device: &B::Device) -> Tensor<B, 1, Int> {
    let rows: Vec<i32> = rows.iter().map(|&r| r as i32).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}
