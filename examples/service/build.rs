// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells the program which target it was compiled for. Nothing here depends on the place or the
//! time of the build, so that the same source gives the same program.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").expect("cargo sets TARGET for build scripts");
    println!("cargo::rustc-env=SERVICE_TARGET={target}");
}
