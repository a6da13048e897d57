//! Numbers from the host in one transfer. Each write to the device ends the batch of commands that waits there, so a pass that sends its
//! tokens, places and angles one after the other begins its work four times.

use std::ops::Range;

use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use burn_tensor::{DType, Shape};
use cubecl::client::ComputeClient;
use cubecl::server::Handle;
use cubecl::zspace::metadata::Metadata;

/// What is to be sent, each part where a buffer may begin.
pub(super) struct Upload<R: CubeRuntime> {
    client: ComputeClient<R>,
    bytes: Vec<u8>,
}

/// A tensor of an upload.
pub(super) struct Part {
    bytes: Range<usize>,
    dtype: DType,
    shape: Shape,
}

/// What was sent.
pub(super) struct Sent<R: CubeRuntime> {
    client: ComputeClient<R>,
    handle: Handle,
}

impl<R: CubeRuntime> Upload<R> {
    pub(super) fn new(client: ComputeClient<R>) -> Self {
        Self { client, bytes: Vec::new() }
    }

    /// Adds a tensor of 32-bit values, row by row.
    pub(super) fn add(
        &mut self,
        values: impl ExactSizeIterator<Item = [u8; 4]>,
        dtype: DType,
        shape: impl Into<Shape>,
    ) -> Part {
        let shape = shape.into();
        assert_eq!((values.len(), 4), (shape.num_elements(), dtype.size()), "values of that shape and dtype");
        let from = self.bytes.len().next_multiple_of(self.client.properties().memory.alignment as usize);
        self.bytes.resize(from, 0);
        self.bytes.extend(values.flatten());
        Part { bytes: from..self.bytes.len(), dtype, shape }
    }

    pub(super) fn send(self) -> Sent<R> {
        Sent { handle: self.client.create_from_slice(&self.bytes), client: self.client }
    }
}

impl<R: CubeRuntime> Sent<R> {
    /// One of the tensors.
    pub(super) fn part(&self, Part { bytes, dtype, shape }: Part, device: &R::Device) -> CubeTensor<R> {
        let behind = self.handle.size_in_used() - bytes.end as u64;
        let handle = self.handle.clone().offset_start(bytes.start as u64).offset_end(behind);
        let strides: Vec<usize> = (1..=shape.num_dims()).map(|i| shape[i..].iter().product()).collect();
        let meta = Metadata::new(shape, strides);
        CubeTensor::new(self.client.clone(), handle, meta, device.clone(), dtype)
    }
}
