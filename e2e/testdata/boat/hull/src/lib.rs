// SPDX-License-Identifier: MIT OR Apache-2.0

/// Panics with the path of this file when there is nothing to float.
pub fn float(name: &str) {
    assert!(!name.is_empty(), "{}: no name", file!());
}
