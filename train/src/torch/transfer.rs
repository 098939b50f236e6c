//! Tensors on their way between the processor and the device.
//!
//! A GPU works through a queue of operations. Whoever reads a number back waits until the queue is empty, and the GPU
//! then waits for new work. So the training loop reads back once in a while, and only here, where it is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use tch::{Device, Tensor};

static READ_BACKS: AtomicU64 = AtomicU64::new(0);

/// The tensor on a device. To a GPU it goes from pinned memory, without anyone waiting for it.
pub(crate) fn upload(tensor: &Tensor, device: Device) -> Tensor {
    if device.is_cuda() {
        let pinned = tensor.pin_memory(device);
        pinned.to_device_(device, pinned.kind(), true, false)
    } else {
        tensor.to_device(device)
    }
}

/// The only value of a tensor. Waits for the device.
pub(crate) fn read_back(tensor: &Tensor) -> f64 {
    READ_BACKS.fetch_add(1, Ordering::Relaxed);
    tensor.double_value(&[])
}

/// How often this process has waited for the device to read a value.
pub(crate) fn read_backs() -> u64 {
    READ_BACKS.load(Ordering::Relaxed)
}
