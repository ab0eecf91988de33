// SPDX-License-Identifier: MIT OR Apache-2.0

//! rustls with the certificates of the system.

fn ask(address: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    with(
        rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
        address,
    )
}

include!("../../rustls.rs");
include!("../../main.rs");
