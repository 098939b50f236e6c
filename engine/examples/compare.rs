//! Times a model by tract alone and with each kernel, in processor time of one thread, and prints the largest
//! difference between their answers.
//!
//! usage: cargo run --release -p galmorph-engine --example compare -- MODEL.onnx [VIEWS [KERNEL]]

#[path = "common/thread_time.rs"]
mod thread_time;
#[path = "common/view_shape.rs"]
mod view_shape;

use std::env;
use std::error::Error;

use galmorph_engine::{Kernel, accelerate, for_batches, reader};
use thread_time::thread_seconds;
use tract_onnx::prelude::*;
use view_shape::view_shape;

/// How often each is run, in turns. The fastest run counts.
const ROUNDS: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or("no model was named")?;
    let views: usize = arguments.next().map_or(Ok(4), |views| views.parse())?;
    let only = arguments.next();
    let read = reader().model_for_path(&path)?;
    let view = view_shape(&read)?;
    let shape = [views, view[0], view[1], view[2]];
    let model = for_batches(read, views, view)?;
    let mut state = 1_u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap_or_default()) / 32_768.0 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| number()).collect();
    let input = Tensor::from_shape(&shape, &values)?;

    let mut plans = vec![(
        "tract".to_owned(),
        model.clone().into_optimized()?.into_runnable()?,
    )];
    // Of a model of eight bits, those of whole numbers are compared. tract rounds it, but multiplies f32.
    let is_of_eight_bits = model
        .nodes()
        .iter()
        .any(|node| node.op.name() == "Quantise");
    let kernels = if is_of_eight_bits {
        Kernel::INT8
    } else {
        Kernel::ALL
    };
    for kernel in kernels
        .into_iter()
        .filter(|kernel| kernel.is_supported())
        .filter(|kernel| only.as_ref().is_none_or(|name| *name == kernel.to_string()))
    {
        let (accelerated, count) = accelerate(&model, kernel)?;
        let name = format!("{kernel}, {count} convolutions");
        plans.push((name, accelerated.into_optimized()?.into_runnable()?));
    }
    let mut states = plans
        .iter()
        .map(|(_, plan)| plan.spawn())
        .collect::<TractResult<Vec<_>>>()?;
    let mut found = vec![(f64::INFINITY, Vec::new()); plans.len()];
    for _ in 0..ROUNDS {
        for (state, (best, answer)) in states.iter_mut().zip(&mut found) {
            let began = thread_seconds();
            let outputs = state.run(tvec!(input.clone().into()))?;
            *best = best.min(thread_seconds() - began);
            *answer = outputs[0]
                .to_plain_array_view::<f32>()?
                .iter()
                .copied()
                .collect();
        }
    }
    let expected = found[0].1.clone();
    for ((name, _), (best, answer)) in plans.iter().zip(&found) {
        let apart = answer
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        let milliseconds = best * 1e3 / views as f64;
        println!("{name}: {milliseconds:.2} ms a view, at most {apart:.1e} apart");
    }
    Ok(())
}
