// SPDX-License-Identifier: MIT OR Apache-2.0

fn main() {
    cc::Build::new().file("src/count.c").compile("count");
    // As ring asks for it: without a libc's headers, with the compiler's own.
    cc::Build::new()
        .file("src/bare.c")
        .flag("-nostdlibinc")
        .compile("bare");
    println!("cargo:rerun-if-changed=src");
}
