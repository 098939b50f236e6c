//! A runtime of the benchmark (`scripts/bench`): loads a model, runs it as often as each line of standard
//! input says, and prints how long that took.
//!
//! usage: worker MODEL.onnx VIEWS THREADS
//!        tract|amxbf16|avx512bf16|avx512|avx2|portable|amxint8|avx512int8|avxvnniint8|avx2int8
//!
//! Each line of output is one JSON object. The first has `load_seconds`, from opening the file to the first
//! answers. Then comes one for each line of input, which is a number of runs, with `wall_seconds` and
//! `cpu_seconds`. All have `peak_bytes`, the most memory that the process has used so far. Each thread runs
//! the model that number of times.

#[path = "common/view_shape.rs"]
mod view_shape;

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use galmorph_engine::{Kernel, accelerate, for_batches, reader};
use rustix::time::{ClockId, clock_gettime};
use tract_onnx::prelude::*;
use view_shape::view_shape;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, views, threads, runtime] = arguments.as_slice() else {
        return Err("usage: worker MODEL.onnx VIEWS THREADS RUNTIME".into());
    };
    let (views, threads): (usize, usize) = (views.parse()?, threads.parse()?);
    let began = Instant::now();
    let (plan, shape) = plan(path, views, runtime)?;
    let mut states = (0..threads)
        .map(|_| plan.spawn())
        .collect::<TractResult<Vec<_>>>()?;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|n: usize| (n * 7919 % 509) as f32 / 254.0 - 1.0)
        .collect();
    let input = Tensor::from_shape(&shape, &values)?.into_tvalue();
    for state in &mut states {
        state.run(tvec!(input.clone()))?;
    }
    let load_seconds = began.elapsed().as_secs_f64();
    println!(
        r#"{{"load_seconds": {load_seconds}, "peak_bytes": {}}}"#,
        peak_bytes()?
    );
    io::stdout().flush()?;
    for line in io::stdin().lock().lines() {
        let runs: usize = line?.trim().parse()?;
        let (began, cpu) = (Instant::now(), cpu_seconds());
        thread::scope(|scope| -> TractResult<()> {
            let work = |state: &mut TypedSimpleState| -> TractResult<()> {
                for _ in 0..runs {
                    state.run(tvec!(input.clone()))?;
                }
                Ok(())
            };
            let mut workers = Vec::new();
            for state in &mut states {
                workers.push(scope.spawn(move || work(state)));
            }
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })?;
        let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!(
            r#"{{"wall_seconds": {wall}, "cpu_seconds": {cpu}, "peak_bytes": {}}}"#,
            peak_bytes()?
        );
        io::stdout().flush()?;
    }
    Ok(())
}

/// The model, ready to run, and the shape of its input.
fn plan(
    path: &str,
    views: usize,
    runtime: &str,
) -> Result<(Arc<TypedRunnableModel>, [usize; 4]), Box<dyn Error>> {
    let read = reader().model_for_path(path)?;
    let view = view_shape(&read)?;
    let shape = [views, view[0], view[1], view[2]];
    let kernel = match runtime {
        "tract" => {
            let model = onnx().model_for_path(path)?;
            let model = model.with_input_fact(0, f32::fact(shape).into())?;
            return Ok((model.into_optimized()?.into_runnable()?, shape));
        }
        "amxbf16" => Kernel::AmxBf16,
        "avx512bf16" => Kernel::Avx512Bf16,
        "avx512" => Kernel::Avx512,
        "avx2" => Kernel::Avx2,
        "portable" => Kernel::Portable,
        "amxint8" => Kernel::AmxInt8,
        "avx512int8" => Kernel::Avx512Int8,
        "avxvnniint8" => Kernel::AvxVnniInt8,
        "avx2int8" => Kernel::Avx2Int8,
        other => return Err(format!("no runtime '{other}'").into()),
    };
    if !kernel.is_supported() {
        return Err(format!("this processor has no {kernel}").into());
    }
    return_freed_memory();
    let model = for_batches(read, views, view)?;
    let (accelerated, _) = accelerate(&model, kernel)?;
    Ok((accelerated.into_optimized()?.into_runnable()?, shape))
}

/// Has the allocator return freed memory to the system as the daemon does, so that `peak_bytes` is the same.
/// It is called before this program starts a thread.
fn return_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `mallopt` sets two numbers of the allocator, and no other thread runs.
        #[allow(unsafe_code, reason = "a function of the C library")]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
            libc::mallopt(libc::M_TRIM_THRESHOLD, 16 << 20);
        }
    }
}

/// User and system time of this process and all its threads, including those that have ended.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The most memory that this process has used.
fn peak_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|text| text.parse().ok());
    Ok(kibibytes.unwrap_or(0_u64) * 1024)
}
