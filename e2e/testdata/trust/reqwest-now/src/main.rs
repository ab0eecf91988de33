// SPDX-License-Identifier: MIT OR Apache-2.0

//! reqwest as it comes this year: rustls, with the verifier of the platform.

fn ask(address: &str) -> Result<String, Box<dyn std::error::Error>> {
    Ok(reqwest::blocking::Client::builder()
        .build()?
        .get(format!("https://{address}/"))
        .send()?
        .text()?)
}

include!("../../main.rs");
