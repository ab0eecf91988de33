// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import "sampan/internal/cargo"

const musl = cargo.Triple("x86_64-unknown-linux-musl")
