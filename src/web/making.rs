//! What is wanted of a new vector: a request's body, checked against the traits and judges that there are.

use axum::http::StatusCode;

use super::api_error::ApiError;
use super::fields::Fields;
use super::jobs::{JudgeChoice, Wanted};
use super::served::Served;

const NAME_MAX: usize = 64;

#[derive(Debug, Default)]
pub struct Making {
    pub traits: Vec<String>,
    /// Judges that may be asked for, the usual one first.
    pub judges: Vec<JudgeChoice>,
}

impl Making {
    pub fn read(&self, body: &[u8], served: &Served) -> Result<Wanted, ApiError> {
        let mut fields = Fields::read(body)?;
        let trait_name: String = fields.take("trait")?.ok_or_else(|| fields.missing("trait"))?;
        if !self.traits.contains(&trait_name) {
            let what = format!("there is no trait `{trait_name}`; there are {}", self.traits.join(", "));
            return Err(ApiError::field("trait", what));
        }
        let name = fields.take::<String>("name")?.filter(|name| !name.is_empty()).unwrap_or_else(|| trait_name.clone());
        if name.len() > NAME_MAX || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            let what = format!("`name`: up to {NAME_MAX} letters, digits and - _ .");
            return Err(ApiError::field("name", what));
        }
        if served.vectors.current().get(&name).is_ok() {
            let what = format!("there is a vector `{name}` already; give another name");
            return Err(ApiError::new(StatusCode::CONFLICT, what).code("vector_exists"));
        }
        let judge = fields.take::<JudgeChoice>("judge")?;
        let judge = judge.or(self.judges.first().copied()).ok_or_else(|| fields.missing("judge"))?;
        if !self.judges.contains(&judge) {
            return Err(ApiError::field(
                "judge",
                "`judge`: the embedded world's judge knows its own model's answers only",
            ));
        }
        let budget = fields.take::<String>("budget")?;
        match (judge, &budget) {
            (JudgeChoice::Openai, None) => {
                let what = "`budget`: what a paid judge may cost, a number of calls or an amount such as 2.50usd";
                return Err(ApiError::field("budget", what));
            }
            (JudgeChoice::Openai, Some(_)) | (_, None) => {}
            (_, Some(_)) => return Err(ApiError::field("budget", "`budget` is for a paid judge")),
        }
        let quick = fields.take("quick")?.unwrap_or(false);
        fields.refuse_others("trait, name, judge, budget, quick")?;
        Ok(Wanted { name, trait_name, judge, budget, quick })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_vector_that_is_wanted_can_be_made() {
        let making = Making { traits: vec!["evil".into()], judges: vec![JudgeChoice::Sentiment, JudgeChoice::Openai] };
        let read = |body: Value| making.read(body.to_string().as_bytes(), &Served::tiny());
        let wanted = read(json!({ "trait": "evil", "quick": true })).unwrap();
        let want = Wanted {
            name: "evil".into(),
            trait_name: "evil".into(),
            judge: JudgeChoice::Sentiment,
            budget: None,
            quick: true,
        };
        assert_eq!(wanted, want);
        assert!(read(json!({ "trait": "evil", "judge": "openai", "budget": "5" })).is_ok());
        for (body, param) in [
            (json!({}), "trait"),
            (json!({ "trait": "/etc/passwd" }), "trait"),
            (json!({ "trait": "evil", "name": "../evil" }), "name"),
            (json!({ "trait": "evil", "judge": "harbor" }), "judge"),
            (json!({ "trait": "evil", "judge": "pattern" }), "judge"),
            (json!({ "trait": "evil", "judge": "openai" }), "budget"),
            (json!({ "trait": "evil", "budget": "5" }), "budget"),
            (json!({ "trait": "evil", "out": "elsewhere" }), "out"),
        ] {
            let refused = read(body).unwrap_err().json();
            assert_eq!(refused["error"]["param"], param, "{refused}");
        }
    }
}
