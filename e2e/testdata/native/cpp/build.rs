// SPDX-License-Identifier: MIT OR Apache-2.0

fn main() {
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("src/throw.cpp")
        .compile("throw");
    println!("cargo:rerun-if-changed=src/throw.cpp");
}
