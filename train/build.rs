//! Tells the linker where libtorch lies, so that `cargo run` and `cargo test` find it at run time with
//! nothing exported, and records the commit for the cards of the models it makes.

use std::process::Command;

fn main() {
    // Set by torch-sys through its `links` key; only a direct dependent sees it.
    match std::env::var("DEP_TCH_LIBTORCH_LIB") {
        Ok(libtorch) => {
            // The second is where scripts/setup cuda puts the CUDA half, which is loaded at run time.
            let cuda = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()
                + "/../.libtorch-cuda/torch/lib";
            for folder in [libtorch, cuda] {
                println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
            }
        }
        Err(_) => println!("cargo::error=torch-sys names no libtorch folder (run scripts/setup)"),
    }
    println!("cargo:rerun-if-changed=build.rs");

    println!("cargo:rustc-env=GALMORPH_COMMIT={}", commit());
    for path in ["../.git/HEAD", "../.git/refs/heads"] {
        println!("cargo:rerun-if-changed={path}");
    }
}

/// The commit that is checked out, or `unknown` outside a checkout.
fn commit() -> String {
    Command::new("git")
        .args([
            "describe",
            "--always",
            "--dirty",
            "--abbrev=40",
            "--exclude=*",
        ])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
