// SPDX-License-Identifier: MIT OR Apache-2.0

//! C of its own, and a library that is looked for on the system, for an architecture that is not the machine's.

use std::ffi::CStr;

extern "C" {
    fn count(n: i32) -> i32;
    fn wide(x: f64) -> f64;
    fn bare() -> usize;
}

fn main() {
    let crew: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(|| (0..1000).for_each(|_| _ = unsafe { count(1) })))
        .collect();
    crew.into_iter().for_each(|t| t.join().unwrap());
    let zlib = unsafe { CStr::from_ptr(libz_sys::zlibVersion()) }
        .to_str()
        .unwrap();
    println!(
        "{} {} {} {} {zlib}",
        std::env::consts::ARCH,
        unsafe { count(0) },
        unsafe { wide(14.0) },
        unsafe { bare() }
    );
}
