//! Where the rows of a pass stand, on the device.

use burn_tensor::{Int, Tensor};

use super::{FusedOps, Span, composed};

impl<B: FusedOps> Span<B> {
    /// The geometry of `start.len()` rows of `width` queries over `columns` keys.
    pub fn new(start: Vec<usize>, at: Vec<usize>, width: usize, columns: usize, device: &B::Device) -> Self {
        let ([places], []) = B::upload([Self::places(&start, &at)], [], device);
        Self::with_places(places, start, at, width, columns, device)
    }

    /// What of the geometry goes to the device ([`FusedOps::upload`]): nothing where no kernel reads it.
    pub fn places(start: &[usize], at: &[usize]) -> Vec<i32> {
        let places = start.iter().chain(at).map(|&column| column as i32);
        if B::PLACES_ON_DEVICE { places.collect() } else { Vec::new() }
    }

    /// [`Span::new`] with its [`Span::places`], which are on the device already.
    pub fn with_places(
        places: Tensor<B, 1, Int>,
        start: Vec<usize>,
        at: Vec<usize>,
        width: usize,
        columns: usize,
        device: &B::Device,
    ) -> Self {
        assert_eq!(start.len(), at.len(), "a first column and a position for every row");
        assert!(at.iter().all(|&a| a + width <= columns), "queries beyond the last column");
        let hidden = B::COMPOSES_ATTENTION.then(|| composed::hidden(&start, &at, width, columns, device));
        let places = B::PLACES_ON_DEVICE.then(|| places.reshape([2, start.len()]));
        Self { start, at, width, hidden, places }
    }
}
