use galmorph_engine::{Kernel, accelerate};
use std::time::Instant;
use tract_onnx::prelude::*;
fn main() -> TractResult<()> {
    let path = std::env::args().nth(1).unwrap();
    let n: usize = std::env::args().nth(2).map_or(4, |n| n.parse().unwrap());
    let m = tract_onnx::onnx().model_for_path(&path)?;
    let m = m
        .with_input_fact(0, f32::fact([n, 3, 64, 64]).into())?
        .into_typed()?
        .into_decluttered()?;
    let mut seed = 1u32;
    let data: Vec<f32> = (0..n * 3 * 64 * 64)
        .map(|_| {
            seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
            (seed >> 8) as f32 / 8388608.0 - 1.0
        })
        .collect();
    let input = Tensor::from_shape(&[n, 3, 64, 64], &data)?;
    let stock = m.clone().into_optimized()?.into_runnable()?;
    let run = |plan: &Arc<TypedRunnableModel>| -> TractResult<(Vec<f32>, f64)> {
        let mut state = plan.spawn()?;
        let mut best = f64::INFINITY;
        let mut out = vec![];
        for _ in 0..6 {
            let t = Instant::now();
            let o = state.run(tvec!(input.clone().into()))?;
            best = best.min(t.elapsed().as_secs_f64());
            out = o[0].to_plain_array_view::<f32>()?.iter().copied().collect();
        }
        Ok((out, best))
    };
    let (expected, time) = run(&stock)?;
    println!("tract: {:.2} ms a view", time * 1e3 / n as f64);
    for kernel in Kernel::ALL.into_iter().filter(|k| k.is_supported()) {
        let (fast, count) = accelerate(&m, kernel)?;
        let plan = fast.into_optimized()?.into_runnable()?;
        let (out, time) = run(&plan)?;
        let d = out
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        println!(
            "{kernel}: {count} convolutions, {:.2} ms a view, off by {d:e}",
            time * 1e3 / n as f64
        );
    }
    Ok(())
}
