//! Times a model with different numbers of images in a run, in processor time of one thread.
//!
//! usage: cargo run --release -p galmorph-engine --example sharing -- MODEL.onnx [VIEWS [IMAGES...]]
//!
//! The environment variable KERNEL names the only kernel to time, as it is printed.
//!
//! An image has VIEWS views, 4 if none are named. There is room for the largest number of IMAGES in all runs, and
//! each number is run in turns. Each line has the kernel, the number of images, the milliseconds for a view, and how
//! many times as fast that is as with one image.

#[path = "common/thread_time.rs"]
mod thread_time;
#[path = "common/view_shape.rs"]
mod view_shape;

use std::env;
use std::error::Error;
use std::fs;
use std::sync::Arc;

use galmorph_engine::{Kernel, Network, for_batches, reader};
use thread_time::thread_seconds;
use tract_onnx::prelude::*;
use view_shape::view_shape;

/// How often each number is run, in turns. The median counts.
const ROUNDS: usize = 15;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or("no model was named")?;
    let numbers = arguments.map(|number| number.parse());
    let mut images = numbers.collect::<Result<Vec<usize>, _>>()?;
    let views = if images.is_empty() {
        4
    } else {
        images.remove(0)
    };
    if images.is_empty() {
        images = vec![1, 2, 4, 8];
    }
    let room = images.iter().copied().max().unwrap_or(1);
    let read = reader().model_for_path(&path)?;
    let shape = view_shape(&read)?;
    let model = for_batches(read, views, shape)?;
    let len: usize = shape.iter().product();
    let values: Vec<f32> = (0..room * views * len)
        .map(|n| (n * 7919 % 509) as f32 / 254.0 - 1.0)
        .collect();
    let values: Vec<&[f32]> = values.chunks(len).collect();
    let only = env::var("KERNEL").ok();
    let kernels = Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported() && *kernel != Kernel::Portable)
        .filter(|kernel| only.as_ref().is_none_or(|name| *name == kernel.to_string()));
    for kernel in kernels {
        let before = resident()?;
        let network = Arc::new(Network::new(&model, kernel, room)?);
        let mut state = network.state()?;
        let mut times = vec![Vec::new(); images.len()];
        let mut used = vec![0; images.len()];
        for (images, used) in images.iter().zip(&mut used) {
            state.run(&values[..images * views])?;
            *used = resident()?.saturating_sub(before);
        }
        for _ in 0..ROUNDS {
            for (images, times) in images.iter().zip(&mut times) {
                let count = images * views;
                let began = thread_seconds();
                state.run(&values[..count])?;
                times.push((thread_seconds() - began) * 1e3 / count as f64);
            }
        }
        let mut first = None;
        for ((images, times), used) in images.iter().zip(&mut times).zip(used) {
            times.sort_by(f64::total_cmp);
            let median = times[ROUNDS / 2];
            let faster = *first.get_or_insert(median) / median;
            let mebibytes = used as f64 / 1_048_576.0;
            println!(
                "{kernel}, {images} images: {median:.3} ms a view, {faster:.2} times, {mebibytes:.0} MiB"
            );
        }
    }
    Ok(())
}

/// The memory that this process uses, in bytes.
fn resident() -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes.ok_or("no VmRSS")?.parse::<usize>()? * 1024)
}
