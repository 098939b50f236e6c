//! Runs networks by tract alone and with each kernel, and writes down what they answer.
//!
//! usage: cargo run --release -p galmorph-engine --example answers -- FOLDER
//!
//! Of each `NAME.onnx` in the folder, `NAME.input` has the input: four whole numbers (views, channels, rows,
//! columns), 32 bits each, and then the values, f32, all little-endian. The answers of its only output go to
//! `NAME.KERNEL.output`, f32, where KERNEL is `tract` or a kernel's name. A network that is refused has a line
//! on standard output: `NAME: why`.

use std::error::Error;
use std::fs;
use std::path::Path;

use galmorph_engine::{Kernel, accelerate, for_batches, reader};
use tract_onnx::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("no folder was named")?;
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "onnx"));
    paths.sort();
    for path in paths {
        if let Err(error) = answer(&path) {
            let name = path.file_stem().unwrap_or_default().display();
            let words = error.to_string();
            let words: Vec<&str> = words.split_whitespace().collect();
            println!("{name}: {}", words.join(" "));
        }
    }
    Ok(())
}

fn answer(path: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(path.with_extension("input"))?;
    let (numbers, _) = bytes.as_chunks::<4>();
    let (lengths, values) = numbers
        .split_at_checked(4)
        .ok_or("the input is too short")?;
    let lengths: Vec<usize> = lengths
        .iter()
        .map(|n| u32::from_le_bytes(*n) as usize)
        .collect();
    let values: Vec<f32> = values.iter().map(|n| f32::from_le_bytes(*n)).collect();
    let input = Tensor::from_shape(&lengths, &values)?;

    let network = reader().model_for_path(path)?;
    let view = [lengths[1], lengths[2], lengths[3]];
    let model = for_batches(network, lengths[0], view)?;
    write(path, "tract", model.clone(), &input)?;
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_supported())
    {
        let (accelerated, _) = accelerate(&model, kernel)?;
        write(path, &kernel.to_string(), accelerated, &input)?;
    }
    Ok(())
}

fn write(
    path: &Path,
    kernel: &str,
    model: TypedModel,
    input: &Tensor,
) -> Result<(), Box<dyn Error>> {
    let outputs = model
        .into_optimized()?
        .into_runnable()?
        .run(tvec!(input.clone().into()))?;
    let values = outputs[0].to_plain_array_view::<f32>()?;
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let kernel = kernel.replace(' ', "_");
    fs::write(path.with_extension(format!("{kernel}.output")), bytes)?;
    Ok(())
}
