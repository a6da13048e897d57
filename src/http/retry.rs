//! When a request is sent again, and after how long: one policy for the hub and for judges behind a server.
//!
//! Sent again are requests whose failure may pass: no connection, a cut one, a timeout, and the statuses 408, 429 and 500 to 599.
//! The wait doubles from try to try. A server that says how long to wait (`Retry-After`, RFC 9110, section 10.2.3) gets at least
//! that; if that is longer than the caller bears with, the request fails at once.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// The wait that a server asks for: `retry-after-ms`, or `Retry-After` in seconds or as a date, which is counted from the server's
/// own `Date` if it tells one.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    if let Some(seconds) = number("retry-after-ms").map(|ms| ms / 1e3).or_else(|| number("retry-after")) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = |name: &str| headers.get(name)?.to_str().ok().and_then(http_date);
    let here = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let then = date("retry-after")?;
    Some(Duration::from_secs(then.saturating_sub(date("date").unwrap_or_else(here))))
}

/// Seconds since 1970 of a date as RFC 9110, section 5.6.7, has senders write it: `Wed, 21 Oct 2026 07:28:00 GMT`.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [_, day, month, year, time, "GMT"] = text.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let clock = time.split(':').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
    let [hours, minutes, seconds] = clock[..] else { return None };
    let fits = (1..=31).contains(&day) && (1970..=9999).contains(&year) && hours < 24 && minutes < 60 && seconds <= 60;
    if !fits {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days.checked_sub(719_468)? * 24 + hours) * 3600 + minutes * 60 + seconds)
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
        for nonsense in ["-1", "NaN", "Wed, 21 Oct 2026 07:28:00", "Wed, 41 Oct 2026 07:28:00 GMT"] {
            assert_eq!(of("retry-after", nonsense), None);
        }
        assert_eq!(of("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    }

    #[test]
    fn a_date_is_a_wait_from_the_servers_own_time() {
        let headers = |then: &str, now: &str| {
            let header =
                |name: &'static str, value: &str| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap());
            HeaderMap::from_iter([header("retry-after", then), header("date", now)])
        };
        let wait = retry_after(&headers("Thu, 01 Mar 2029 00:00:10 GMT", "Wed, 28 Feb 2029 23:59:50 GMT"));
        assert_eq!(wait, Some(Duration::from_secs(20)));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Tue, 29 Feb 2000 12:00:00 GMT"), Some(951_825_600));
    }
}
