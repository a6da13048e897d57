//! When a request is sent again, and after how long: one policy for the hub and for judges behind a server.
//!
//! Sent again are requests whose failure may pass: no connection, a cut one, a timeout, and the statuses 408, 429 and 500 to 599.
//! The wait doubles from try to try. A server that says how long to wait (`Retry-After`, RFC 9110, section 10.2.3) gets at least
//! that; if that is longer than the caller bears with, the request fails at once.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

/// How long a client bears with a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Patience {
    /// Tries per request, the first one included.
    pub tries_max: u32,
    /// The wait after the first failure; it doubles from there.
    pub first_wait: Duration,
    /// No wait is longer. A request fails if the server asks for a longer one.
    pub longest_wait: Duration,
    /// For one try: of a judge from the connection to the last byte, of the hub for each silence.
    pub timeout: Duration,
}

impl Default for Patience {
    /// Eight tries, about two minutes of waiting in all.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { tries_max: 8, first_wait: seconds(1), longest_wait: seconds(60), timeout: seconds(120) }
    }
}

/// Why a request is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// It has been sent often enough.
    Tries(u32),
    /// The server asks for too long a wait.
    Wait(Duration),
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tries(tries) => write!(f, "no answer after {tries} tries"),
            Self::Wait(wait) => write!(f, "the server asks to wait {} s", wait.as_secs()),
        }
    }
}

impl Patience {
    /// The wait before the next try, after `failed` failures of which the server answered the last with `asked`
    /// ([`retry_after`]). A quarter of the wait depends on `request`, so that requests that failed together do not return
    /// together.
    ///
    /// # Errors
    /// If the request is not to be sent again.
    pub fn wait(&self, failed: u32, asked: Option<Duration>, request: &str) -> Result<Duration, GivenUp> {
        let Self { tries_max, first_wait, longest_wait, .. } = *self;
        if failed >= tries_max {
            return Err(GivenUp::Tries(failed));
        }
        if let Some(asked) = asked.filter(|asked| *asked > longest_wait) {
            return Err(GivenUp::Wait(asked));
        }
        let whole = first_wait.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1))).min(longest_wait);
        let mut hasher = DefaultHasher::new();
        (failed, std::process::id(), request).hash(&mut hasher);
        let part = hasher.finish() as f64 / u64::MAX as f64;
        // Many requests that were told the same short wait would all fail again; the doubling thins them out.
        Ok(whole.mul_f64(0.75 + 0.25 * part).max(asked.unwrap_or_default()))
    }
}

/// Whether the same request may do better in a moment.
pub fn passes(status: StatusCode) -> bool {
    status.is_server_error() || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status)
}

/// The wait that a server asks for: `retry-after-ms`, or `Retry-After` in seconds. A date there is left to our own wait.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1e3).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The innermost cause of a failure; the layers above only repeat the address.
pub fn innermost(e: &reqwest::Error) -> &dyn std::error::Error {
    let mut cause: &dyn std::error::Error = e;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn waits_double_and_obey_the_server() {
        let patience = Patience { tries_max: 4, first_wait: Duration::from_secs(8), ..Patience::default() };
        for (failed, whole) in [(1, 8.0), (2, 16.0), (3, 32.0)] {
            let wait = patience.wait(failed, None, "x").unwrap().as_secs_f64();
            assert!(wait >= 0.75 * whole && wait <= whole, "{wait}");
        }
        assert_ne!(patience.wait(1, None, "x"), patience.wait(1, None, "y"));
        let asked = |seconds| patience.wait(1, Some(Duration::from_secs(seconds)), "x");
        assert_eq!(asked(20), Ok(Duration::from_secs(20)));
        assert_eq!(asked(61), Err(GivenUp::Wait(Duration::from_secs(61))));
        assert_eq!(patience.wait(4, None, "x"), Err(GivenUp::Tries(4)));
    }

    #[test]
    fn a_servers_wait_is_read_in_its_units() {
        let of = |name: &'static str, value: &str| {
            retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())]))
        };
        assert_eq!(of("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(of("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        for nonsense in ["-1", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(of("retry-after", nonsense), None);
        }
    }
}
