// SPDX-License-Identifier: MIT OR Apache-2.0

//! Asks a server for its first page by HTTPS, through OpenSSL as it is found on the system: `tls ADDRESS`. Without an
//! address it tells which OpenSSL that is.

use std::io::{Read, Write};
use std::net::TcpStream;

use openssl::ssl::{SslConnector, SslMethod};

fn main() {
    let Some(address) = std::env::args().nth(1) else {
        println!(
            "{} {:x} {}",
            openssl::version::version(),
            openssl::version::number(),
            openssl::version::dir()
        );
        return;
    };
    let connector = SslConnector::builder(SslMethod::tls()).unwrap().build();
    let tcp = TcpStream::connect(&address).unwrap();
    let mut stream = match connector.connect("127.0.0.1", tcp) {
        Ok(s) => s,
        Err(e) => {
            eprintln!("refused: {e}");
            std::process::exit(3);
        }
    };
    write!(stream, "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    println!("{}", answer.lines().last().unwrap());
}
