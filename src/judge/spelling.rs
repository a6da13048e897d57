//! How a server wants its requests: servers refuse parameters that others demand, and say so in their own words.

use reqwest::StatusCode;
use serde_json::Value;

/// How this server wants its requests, as far as it has complained.
#[derive(Debug, Default)]
pub struct Spelling {
    /// `max_tokens` is called `max_completion_tokens`.
    completion_tokens: bool,
    without: Vec<Parameter>,
    /// Log-probabilities that it gives at most.
    top: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Learned {
    /// The request was spelled so already: something else is wrong with it.
    Nothing,
    /// An earlier complaint was the same; the request was under way then.
    Known,
    /// Requests are spelled otherwise from now on, as these words say.
    News(String),
}

impl Spelling {
    pub fn spelled(&self, request: &Value) -> Value {
        let mut request = request.clone();
        let Some(fields) = request.as_object_mut() else { return request };
        if self.completion_tokens
            && let Some(tokens) = fields.remove("max_tokens")
        {
            fields.insert("max_completion_tokens".into(), tokens);
        }
        for parameter in &self.without {
            fields.remove(parameter.name());
        }
        if let (Some(most), Some(top)) = (self.top, fields.get_mut("top_logprobs")) {
            *top = top.as_u64().map_or(most, |top| top.min(most)).into();
        }
        request
    }

    pub fn learn(&mut self, Disliked { parameter, most }: Disliked, sent: &Value) -> Learned {
        let Some(value) = sent.get(parameter.name()) else { return Learned::Nothing };
        let (news, instead) = match (parameter, most) {
            (Parameter::MaxTokens, _) => {
                (!std::mem::replace(&mut self.completion_tokens, true), "`max_completion_tokens` instead".to_owned())
            }
            (Parameter::TopLogprobs, Some(most)) => {
                // A number that is no smaller mends nothing.
                if value.as_u64().is_none_or(|asked| asked <= most) {
                    return Learned::Nothing;
                }
                (self.top.replace(most) != Some(most), format!("{most} of them"))
            }
            (Parameter::TopLogprobs, None) => return Learned::Nothing,
            (Parameter::Seed | Parameter::Temperature, _) => {
                let news = !self.without.contains(&parameter);
                if news {
                    self.without.push(parameter);
                }
                (news, "the request goes without".to_owned())
            }
        };
        match news {
            true => Learned::News(format!("does not take `{}: {value}`; {instead}", parameter.name())),
            false => Learned::Known,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    MaxTokens,
    Seed,
    Temperature,
    TopLogprobs,
}

impl Parameter {
    const ALL: [Self; 4] = [Self::MaxTokens, Self::Seed, Self::Temperature, Self::TopLogprobs];

    pub fn name(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::Seed => "seed",
            Self::Temperature => "temperature",
            Self::TopLogprobs => "top_logprobs",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disliked {
    pub parameter: Parameter,
    /// The most that it takes, of log-probabilities.
    pub most: Option<u64>,
}

/// Which parameter of the request a server does not take, if that is its complaint.
pub fn disliked(status: StatusCode, json: &Value, said: &str) -> Option<Disliked> {
    const COMPLAINTS: [&str; 9] = [
        "unsupported",
        "not support",
        "unrecognized",
        "unknown",
        "not permitted",
        "not allowed",
        "unexpected",
        "instead",
        "deprecated",
    ];
    if !["400", "422"].contains(&status.as_str()) {
        return None;
    }
    let lower = said.to_lowercase();
    let named = |name: &str| lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name);
    let param = json.pointer("/error/param").and_then(Value::as_str);
    let fits =
        |parameter: &&Parameter| param.map_or_else(|| named(parameter.name()), |param| param == parameter.name());
    let parameter = *Parameter::ALL.iter().find(fits)?;
    if parameter == Parameter::TopLogprobs {
        let numbers = lower.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
        let most = numbers.filter(|most| (1..20).contains(most)).max()?;
        return Some(Disliked { parameter, most: Some(most) });
    }
    let code = json.pointer("/error/code").and_then(Value::as_str).unwrap_or_default();
    let complains = code.starts_with("unsupported") || COMPLAINTS.iter().any(|sign| lower.contains(sign));
    complains.then_some(Disliked { parameter, most: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_spelled_as_the_server_takes_it_and_that_is_said_once() {
        let mut spelling = Spelling::default();
        let request = serde_json::json!({ "max_tokens": 1, "temperature": 0, "seed": 0, "top_logprobs": 20 });
        for (parameter, most) in
            [(Parameter::MaxTokens, None), (Parameter::Temperature, None), (Parameter::TopLogprobs, Some(5))]
        {
            let disliked = Disliked { parameter, most };
            // Two requests were under way; a third that is spelled well already has another trouble.
            let [first, second] = [(); 2].map(|()| spelling.learn(disliked, &request));
            assert!(matches!(first, Learned::News(_)) && second == Learned::Known, "{first:?} {second:?}");
            let spelled = spelling.spelled(&request);
            assert_eq!(spelling.learn(disliked, &spelled), Learned::Nothing);
        }
        let want = serde_json::json!({ "max_completion_tokens": 1, "seed": 0, "top_logprobs": 5 });
        assert_eq!(spelling.spelled(&request), want);
    }
}
