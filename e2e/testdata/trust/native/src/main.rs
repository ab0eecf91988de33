// SPDX-License-Identifier: MIT OR Apache-2.0

//! native-tls, which is OpenSSL on Linux.

use std::io::{Read, Write};

fn ask(address: &str) -> Result<String, Box<dyn std::error::Error>> {
    let tcp = std::net::TcpStream::connect(address)?;
    let mut stream = native_tls::TlsConnector::new()?
        .connect("127.0.0.1", tcp)
        .map_err(|e| e.to_string())?;
    write!(stream, "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().last().unwrap_or_default().to_string())
}

include!("../../main.rs");
