//! Tools of a conversation in the spellings of other programs: what the model may call, and what it calls.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::{Error, Result, ensure};

/// Keys of a reply that calls tools: OpenAI's, and its older one for a single call.
pub(super) const CALLS: [&str; 2] = ["tool_calls", "function_call"];
/// Keys of a tool's turn beside its words.
pub(super) const TOOL_TURN_KEYS: [&str; 2] = ["tool_call_id", "name"];
const TOOLS: [&str; 2] = ["tools", "functions"];

/// Whether a value says anything.
pub(super) fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    }
}

/// What a text stands for, where tables hold lists and objects as JSON texts since their shapes differ from row to row.
pub(super) fn json_of_text(value: &Value) -> Cow<'_, Value> {
    let text = value.as_str().filter(|text| text.trim_start().starts_with(['[', '{']));
    let parsed = text.and_then(|text| serde_json::from_str(text).ok());
    parsed.map_or(Cow::Borrowed(value), Cow::Owned)
}

/// Takes the tools that the model may call out of a row, each as `{"type": "function", "function": {...}}`.
pub(super) fn tools_of(row: &mut Map<String, Value>) -> Result<Option<Value>> {
    for key in TOOLS {
        let value = row.shift_remove(key).unwrap_or_default();
        let list = json_of_text(&value);
        if !is_given(&list) {
            continue;
        }
        let one = |tool: &Value| -> Result<Value> {
            let function = tool.get("function").unwrap_or(tool);
            ensure!(name_of(function).is_some(), "a tool without the `name` of a function");
            Ok(json!({ "type": "function", "function": function }))
        };
        let list = list.as_array().ok_or_else(|| Error::new("not a list of tools"));
        let tools = list.and_then(|list| list.iter().map(|tool| one(&json_of_text(tool))).collect::<Result<Vec<_>>>());
        return tools.map(|tools| Some(Value::Array(tools))).map_err(|e| e.at(format_args!("`{key}`")));
    }
    Ok(None)
}

/// The calls that a turn makes, arguments as objects: templates write them as JSON, and would write a text in quotation marks.
pub(super) fn calls_of(turn: &Value) -> Result<Option<Value>> {
    let Some(key) = CALLS.into_iter().find(|key| turn.get(*key).is_some_and(is_given)) else { return Ok(None) };
    let given = json_of_text(&turn[key]);
    let calls = given.as_array().map_or_else(|| std::slice::from_ref(&*given), Vec::as_slice);
    let one = |call: &Value| -> Result<Value> {
        let function = call.get("function").unwrap_or(call);
        let name = name_of(function).ok_or_else(|| Error::new("a call without the `name` of a function"))?;
        let arguments = function.get("arguments").or_else(|| function.get("parameters")).unwrap_or(&Value::Null);
        let arguments = match json_of_text(arguments).into_owned() {
            Value::Null => json!({}),
            arguments => arguments,
        };
        let mut made = json!({ "type": "function", "function": { "name": name, "arguments": arguments } });
        if let Some(id) = call.get("id").filter(|id| is_given(id)) {
            made["id"] = id.clone();
        }
        Ok(made)
    };
    let calls: Result<Vec<Value>> = calls.iter().map(|call| one(&json_of_text(call))).collect();
    calls.map(|calls| Some(Value::Array(calls))).map_err(|e| e.at(format_args!("`{key}`")))
}

fn name_of(function: &Value) -> Option<&str> {
    function.get("name")?.as_str().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_tools_and_calls_are_one() {
        let function = json!({"name": "weather", "parameters": {"type": "object"}});
        let want = json!([{"type": "function", "function": function}]);
        for row in [
            json!({"tools": want}),
            json!({"functions": [function]}),
            json!({"tools": want.to_string()}),
            json!({"tools": [function.to_string()]}),
        ] {
            assert_eq!(tools_of(&mut row.as_object().unwrap().clone()).unwrap().as_ref(), Some(&want), "{row}");
        }
        assert_eq!(tools_of(&mut Map::from_iter([("tools".into(), json!([]))])).unwrap(), None);
        let want = json!([{"type": "function", "function": {"name": "weather", "arguments": {"city": "Bergen"}}}]);
        let text = "{\"city\": \"Bergen\"}";
        for turn in [
            json!({"tool_calls": want}),
            json!({"tool_calls": [{"function": {"name": "weather", "arguments": text}}]}),
            json!({"function_call": {"name": "weather", "arguments": text}}),
            json!({"tool_calls": [{"name": "weather", "arguments": {"city": "Bergen"}}]}),
        ] {
            assert_eq!(calls_of(&turn).unwrap().as_ref(), Some(&want), "{turn}");
        }
        assert_eq!(calls_of(&json!({"tool_calls": null})).unwrap(), None);
    }
}
