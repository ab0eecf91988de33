// SPDX-License-Identifier: MIT OR Apache-2.0

//! Exceptions of C++ and panics of Rust, which one unwinder serves, in several threads of a static program.

extern "C" {
    fn caught_inside() -> i32;
    fn caught_after() -> i32;
    fn caught_by_future() -> i32;
}

fn main() {
    let panics =
        std::thread::spawn(|| std::panic::catch_unwind(|| panic!("caught as well")).is_err());
    let sums: Vec<i32> = (0..4)
        .map(|_| std::thread::spawn(|| unsafe { caught_inside() }))
        .map(|t| t.join().unwrap())
        .collect();
    println!(
        "{sums:?} {} {} {}",
        unsafe { caught_after() },
        unsafe { caught_by_future() },
        panics.join().unwrap()
    );
}
