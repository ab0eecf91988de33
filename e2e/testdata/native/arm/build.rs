// SPDX-License-Identifier: MIT OR Apache-2.0

fn main() {
    cc::Build::new().file("src/count.c").compile("count");
    println!("cargo:rerun-if-changed=src/count.c");
}
