// SPDX-License-Identifier: MIT OR Apache-2.0

//! curl, which the crate compiles itself, with the OpenSSL that it looks for on the system.

fn ask(address: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut easy = curl::easy::Easy::new();
    easy.url(&format!("https://{address}/"))?;
    let mut answer = Vec::new();
    {
        let mut transfer = easy.transfer();
        transfer.write_function(|data| {
            answer.extend_from_slice(data);
            Ok(data.len())
        })?;
        transfer.perform()?;
    }
    Ok(String::from_utf8(answer)?)
}

include!("../../main.rs");
