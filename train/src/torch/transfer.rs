//! Tensors on their way between the processor and the device.
//!
//! A GPU works through a queue of operations. Whoever reads a number back waits until the queue is empty, and the GPU
//! then waits for new work. So the training loop reads back once in a while, and only here, where it is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use tch::{Device, Kind, Tensor};

static READ_BACKS: AtomicU64 = AtomicU64::new(0);

/// The tensor on a device. CUDA takes its values before this returns, and nobody waits for the operations that a GPU has
/// still to do.
pub(crate) fn upload(tensor: &Tensor, device: Device) -> Tensor {
    tensor.to_device_(device, tensor.kind(), true, false)
}

/// The values of a tensor. Waits for the device.
pub(crate) fn read_back(tensor: &Tensor) -> Vec<f64> {
    READ_BACKS.fetch_add(1, Ordering::Relaxed);
    let values = tensor.to_kind(Kind::Double).contiguous().view(-1);
    Vec::try_from(values.to_device(Device::Cpu)).expect("values in a row become a vector")
}

/// How often this process has waited for the device to read values.
pub(crate) fn read_backs() -> u64 {
    READ_BACKS.load(Ordering::Relaxed)
}
