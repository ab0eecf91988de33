// SPDX-License-Identifier: MIT OR Apache-2.0

//! One greeting for two programs. The feature `loud` changes it, and with it the bytes of every
//! program that links this library: a build of both together would give `api` capitals too.

/// A greeting from `name`.
pub fn greeting(name: &str) -> String {
    let text = format!("hello from {name}");
    if cfg!(feature = "loud") {
        text.to_uppercase()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn greets() {
        let text = super::greeting("api");
        assert!(text == "hello from api" || (cfg!(feature = "loud") && text == "HELLO FROM API"));
    }
}
