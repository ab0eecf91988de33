// SPDX-License-Identifier: MIT OR Apache-2.0

fn main() {
    println!("{}", shared::greeting(env!("CARGO_PKG_NAME")));
}
