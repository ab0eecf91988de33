// SPDX-License-Identifier: MIT OR Apache-2.0

//! ureq as it comes: rustls, with certificates that are compiled in.

fn ask(address: &str) -> Result<String, Box<dyn std::error::Error>> {
    Ok(ureq::get(format!("https://{address}/"))
        .call()?
        .body_mut()
        .read_to_string()?)
}

include!("../../main.rs");
