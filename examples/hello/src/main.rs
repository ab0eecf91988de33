// SPDX-License-Identifier: MIT OR Apache-2.0

//! Says hello, as whom it runs, and what it was told; `--exit N` chooses the exit code.

use std::fs;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    println!("Hello from a static program, running as uid {}", uid());
    if !args.is_empty() {
        println!("arguments: {}", args.join(" "));
    }
    match exit_code(&args) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("hello: {why}");
            ExitCode::from(2)
        }
    }
}

/// The real user id. The standard library has no call for it, and an example without
/// dependencies may ask the kernel: /proc is in every container.
fn uid() -> String {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("Uid:"))?;
            line.split_whitespace().nth(1).map(str::to_owned)
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

/// What follows `--exit`, or 0.
fn exit_code(args: &[String]) -> Result<u8, String> {
    let Some(at) = args.iter().position(|arg| arg == "--exit") else {
        return Ok(0);
    };
    let word = args.get(at + 1).ok_or("--exit needs a number")?;
    word.parse()
        .map_err(|_| format!("--exit {word}: not a number from 0 to 255"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn exit_codes() {
        assert_eq!(exit_code(&words("a b")), Ok(0));
        assert_eq!(exit_code(&words("a --exit 7")), Ok(7));
        assert!(exit_code(&words("--exit")).is_err());
        assert!(exit_code(&words("--exit 256")).is_err());
    }
}
