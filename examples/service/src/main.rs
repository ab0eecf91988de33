// SPDX-License-Identifier: MIT OR Apache-2.0

//! A web service with two pages: `/` tells what it is, `/health` that it is well.
//! The port comes from `PORT` (8080 when it is not set). SIGTERM and Ctrl-C let running requests
//! end, then the program exits with 0.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::{Json, Router, routing::get};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

#[derive(Serialize)]
struct About {
    name: &'static str,
    version: &'static str,
    target: &'static str,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn about() -> Json<About> {
    Json(About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        target: env!("SERVICE_TARGET"),
    })
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The port that the environment asks for.
fn port(value: Option<&str>) -> Result<u16, String> {
    match value {
        None => Ok(8080),
        Some(word) => word
            .parse()
            .map_err(|_| format!("PORT={word}: not a port number")),
    }
}

/// Returns when the program is asked to stop.
async fn stopped() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => info!("stopping: SIGTERM"),
        _ = interrupt.recv() => info!("stopping: SIGINT"),
    }
    Ok(())
}

async fn serve() -> Result<(), String> {
    let port = port(std::env::var("PORT").ok().as_deref())?;
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|why| format!("listen on {address}: {why}"))?;
    let address = listener
        .local_addr()
        .map_err(|why| format!("read the address: {why}"))?;
    info!(%address, "listening");

    let app = Router::new()
        .route("/", get(about))
        .route("/health", get(health));
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            if let Err(why) = stopped().await {
                error!(%why, "cannot wait for signals");
            }
        })
        .await
        .map_err(|why| format!("serve: {why}"))
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            error!("{why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn ports() {
        assert_eq!(port(None), Ok(8080));
        assert_eq!(port(Some("0")), Ok(0));
        assert!(port(Some("70000")).is_err());
        assert!(port(Some("http")).is_err());
    }
}
