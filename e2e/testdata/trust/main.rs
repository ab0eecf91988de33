// SPDX-License-Identifier: MIT OR Apache-2.0

fn main() {
    match ask(&std::env::args().nth(1).unwrap()) {
        Ok(text) => println!("{text}"),
        Err(e) => {
            eprintln!("refused: {e:?}");
            std::process::exit(3);
        }
    }
}
