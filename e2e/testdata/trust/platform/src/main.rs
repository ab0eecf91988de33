// SPDX-License-Identifier: MIT OR Apache-2.0

//! rustls with the verifier of the platform.

use rustls_platform_verifier::ConfigVerifierExt;

fn ask(address: &str) -> Result<String, Box<dyn std::error::Error>> {
    with(rustls::ClientConfig::with_platform_verifier()?, address)
}

include!("../../rustls.rs");
include!("../../main.rs");
