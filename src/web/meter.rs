//! How many tokens a client may use: in one request, and per minute.

use std::sync::Mutex;
use std::time::Instant;

use axum::http::StatusCode;

use super::api_error::ApiError;

#[derive(Debug, Clone, Copy, Default)]
pub struct TokenLimits {
    /// In one request: those of its prompts and the most that its answers may have.
    pub per_request: Option<usize>,
    /// Per minute and key, those read and those answered; without keys, of all clients together.
    pub per_minute: Option<usize>,
}

impl TokenLimits {
    pub fn check(&self, prompts: usize, answers: usize) -> Result<(), ApiError> {
        let asked = prompts.saturating_add(answers);
        match self.per_request.filter(|most| asked > *most) {
            None => Ok(()),
            Some(most) => {
                let what = format!(
                    "the request may come to {asked} tokens, {prompts} read and {answers} answered; this server gives {most} to one"
                );
                Err(ApiError::field("max_tokens", what).code("too_many_tokens"))
            }
        }
    }
}

/// What one client has left. It fills up steadily to a minute's tokens; an answer may overdraw it, and then the next request waits.
#[derive(Debug)]
pub struct Meter {
    per_minute: Option<usize>,
    left: Mutex<(f64, Instant)>,
}

impl Meter {
    pub fn new(per_minute: Option<usize>) -> Self {
        Self { per_minute, left: Mutex::new((per_minute.unwrap_or(0) as f64, Instant::now())) }
    }

    /// What is left now, and the tokens of a second.
    fn left(&self, now: Instant, spent: usize) -> Option<(f64, f64)> {
        let most = self.per_minute? as f64;
        let mut left = self.left.lock().expect("no thread panics with the lock");
        let seconds = now.saturating_duration_since(left.1).as_secs_f64();
        *left = ((left.0 + seconds * most / 60.0).min(most) - spent as f64, now);
        Some((left.0, most / 60.0))
    }

    pub fn admit(&self) -> Result<(), ApiError> {
        match self.left(Instant::now(), 0) {
            Some((left, per_second)) if left < 1.0 => {
                let seconds = ((1.0 - left) / per_second).ceil().max(1.0) as u64;
                let what = format!("the tokens of this minute are used up; {seconds} s until there are more");
                Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, what).code("rate_limit_exceeded").retry_after(seconds))
            }
            _ => Ok(()),
        }
    }

    pub fn spend(&self, tokens: usize) {
        self.left(Instant::now(), tokens);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tokens_of_a_minute_run_out_and_come_back() {
        let meter = Meter::new(Some(60));
        meter.spend(59);
        assert!(meter.admit().is_ok());
        meter.spend(31);
        let refused = meter.admit().unwrap_err().json();
        assert_eq!(refused["error"]["code"], "rate_limit_exceeded");
        let (left, per_second) = meter.left(Instant::now() + Duration::from_secs(40), 0).unwrap();
        assert!((9.0..12.0).contains(&left) && per_second == 1.0, "{left}");
        let unlimited = Meter::new(None);
        unlimited.spend(1 << 40);
        assert!(unlimited.admit().is_ok());
    }

    #[test]
    fn one_request_has_its_limit() {
        let limits = TokenLimits { per_request: Some(100), per_minute: None };
        assert!(limits.check(60, 40).is_ok());
        assert_eq!(limits.check(60, 41).unwrap_err().json()["error"]["code"], "too_many_tokens");
        assert!(TokenLimits::default().check(usize::MAX, 1).is_ok());
    }
}
