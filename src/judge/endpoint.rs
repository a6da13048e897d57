//! Where a judge is reached, and the key that it wants.

use std::fmt;

use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::{Error, Result};

/// A key to a paid service. It is shown nowhere: not by `Debug`, not in a file, not in an error.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// A key, unless the text is empty.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// As a request bears it.
    ///
    /// # Errors
    /// Characters that no header may hold.
    pub fn header(&self) -> Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0))
            .map_err(|_| Error::usage("the judge's key holds characters that no key has"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A text without the key: a server may repeat it in its message.
    pub fn hidden(&self, text: &str) -> String {
        text.replace(&self.0, "(the key)")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

const ENDPOINT: &str = "/chat/completions";

/// `<base>/chat/completions`; a base that already ends so is taken as it is.
///
/// # Errors
/// An address of another kind, or one that holds a secret.
pub fn endpoint(base: &str) -> Result<Url> {
    let example = "a base URL looks like https://api.openai.com/v1 or http://localhost:8000/v1";
    let usage = |why: String| Error::usage(format!("--judge-url {base}: {why}")).hint(example);
    let mut url = Url::parse(base.trim()).map_err(|e| usage(e.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
        return Err(usage("neither http nor https".into()));
    }
    if url.query().is_some_and(|query| query.starts_with("api-version=")) {
        return Err(Error::usage("--judge-url ends in `?api-version=...`, which has no place there").hint(
            "Azure's address that needs no version is https://NAME.openai.azure.com/openai/v1, with the deployment as --judge-model",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        // Without repeating it: this text may be a secret.
        return Err(Error::usage("--judge-url holds a user name, a password or a query")
            .hint("settings are written into the run's folder; give the key as TRIMTAB_JUDGE_KEY"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(ENDPOINT) {
        url.set_path(&(path + ENDPOINT));
    }
    Ok(url)
}

/// Whether this server is known to refuse requests without a key.
pub fn wants_key(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "openai.com" || host.ends_with(".openai.com"))
}

pub fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_leads_to_the_endpoint() {
        for base in ["http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions"] {
            assert_eq!(endpoint(base).unwrap().as_str(), "http://h:1/v1/chat/completions");
        }
        for base in ["h/v1", "ftp://h/v1", "", "http://"] {
            assert!(endpoint(base).unwrap_err().help().unwrap().contains("/v1"), "{base}");
        }
        let error = endpoint("https://me:sesame@h/v1").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sesame"));
        let local = |url: &str| is_local(&Url::parse(url).unwrap());
        assert_eq!(
            ["http://127.0.0.1:1", "http://[::1]/", "http://localhost/", "http://10.0.0.1/"].map(local),
            [true, true, true, false]
        );
    }

    #[test]
    fn an_azure_url_gets_a_hint_that_fits() {
        let error = endpoint("https://h/openai/deployments/d?api-version=2024-10-21").unwrap_err();
        assert!(error.help().unwrap().contains("/openai/v1"), "{error:?}");
        assert!(endpoint("https://h/v1?key=sesame").unwrap_err().help().unwrap().contains("TRIMTAB_JUDGE_KEY"));
    }
}
