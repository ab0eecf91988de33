// SPDX-License-Identifier: MIT OR Apache-2.0

//! rustls with certificates that are compiled in.

fn ask(address: &str) -> Result<String, Box<dyn std::error::Error>> {
    let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    with(
        rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
        address,
    )
}

include!("../../rustls.rs");
include!("../../main.rs");
