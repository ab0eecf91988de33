// SPDX-License-Identifier: MIT OR Apache-2.0

// Asks with a configuration of rustls.
fn with(config: rustls::ClientConfig, address: &str) -> Result<String, Box<dyn std::error::Error>> {
    use std::io::{Read, Write};
    let connection =
        rustls::ClientConnection::new(std::sync::Arc::new(config), "127.0.0.1".try_into()?)?;
    let mut stream = rustls::StreamOwned::new(connection, std::net::TcpStream::connect(address)?);
    write!(stream, "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().last().unwrap_or_default().to_string())
}
