//! HTTP clients: TLS by `rustls` with `ring`, certificates by the operating system.

pub mod retry;

use std::sync::Arc;

use reqwest::ClientBuilder;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::{At, Error, Result};

/// A client that names this program to the server. Without `encrypted` it trusts no certificate, so that plain HTTP works where
/// none are installed.
///
/// # Errors
/// If the system's certificates cannot be read.
pub fn client(encrypted: bool) -> Result<ClientBuilder> {
    // Handed over, not installed: a program that uses this library may have a provider of its own.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .doing("cannot set up HTTPS")?;
    let config = if encrypted {
        config.with_platform_verifier().map_err(|e| {
            Error::new(format!("cannot set up HTTPS: {e}")).hint("are the system's certificates installed?")
        })?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    let mut tls = config.with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("trimtab/", env!("CARGO_PKG_VERSION"))))
}
