//! `/v1/compare`: one prompt under several steerings, answered in one batch from the same random numbers, so that the answers
//! differ by the steering alone. What is projected is taken while the answers are made, under the steering that acts.

use serde_json::{Map, Value};

use super::api_error::ApiError;
use super::fields::Fields;
use super::request::{Kind, Question};
use super::served::Served;
use crate::language_model::Direction;

const VARIANTS_MAX: usize = 4;
/// Directions onto which tokens are projected while they are made: each costs a number per token in the answer.
const PROBES_MAX: usize = 512;

/// Reads a comparison: a chat completion's fields, with `variants` and `probes`. `choices[i]` is then of the i-th variant.
pub fn read(body: &[u8], served: &Served) -> Result<Question, ApiError> {
    let mut fields = Fields::read(body)?;
    let probes = probes(&mut fields, served)?;
    let question = Question::of(fields, Kind::Chat, served, |fields, ignored| {
        let variants: Vec<Map<String, Value>> = fields.take("variants")?.ok_or_else(|| fields.missing("variants"))?;
        if variants.is_empty() || variants.len() > VARIANTS_MAX {
            let what = format!("`variants`: {} of them; 1 to {VARIANTS_MAX}", variants.len());
            return Err(ApiError::field("variants", what));
        }
        let own = |variant: &Map<String, Value>| variant.get("messages").is_some_and(|messages| !messages.is_null());
        let shared = if variants.iter().all(own) { None } else { Some(fields.chat(served, true, ignored)?) };
        let mut asked = (Vec::new(), None, Vec::new());
        for (i, map) in variants.into_iter().enumerate() {
            let has_own = own(&map);
            let mut variant = Fields { map, place: format!("variants[{i}].") };
            asked.0.push(match &shared {
                Some(shared) if !has_own => shared.clone(),
                _ => variant.chat(served, true, ignored)?,
            });
            asked.2.push(variant.steering(&served.vectors.current())?);
            variant.map.remove("messages");
            variant.refuse_others("steering, messages")?;
        }
        Ok(asked)
    })?;
    Ok(Question { same_draws: true, probes, ..question })
}

/// `probes`: vectors at layers, `[{"vector": "evil", "layer": 20}]`; all layers where none is named.
fn probes(fields: &mut Fields, served: &Served) -> Result<Vec<Direction>, ApiError> {
    let probes: Vec<Map<String, Value>> = fields.take("probes")?.unwrap_or_default();
    let mut directions = Vec::new();
    for (i, map) in probes.into_iter().enumerate() {
        let mut probe = Fields { map, place: format!("probes[{i}].") };
        directions.extend(probe.directions(served)?.1);
        probe.refuse_others("vector, layer")?;
        if directions.len() > PROBES_MAX {
            return Err(ApiError::field("probes", format!("`probes`: more than {PROBES_MAX} directions; name layers")));
        }
    }
    Ok(directions)
}
