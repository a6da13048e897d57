//! The model's own chat template, rendered as transformers renders it.
//!
//! The default system prompt comes out of the template itself; nothing here knows what it says.

use std::path::{Path, PathBuf};

use minijinja::machinery::{Instructions, Vm, make_string_output};
use minijinja::{AutoEscape, Environment, ErrorKind, Value};
use serde::Serialize;

use super::bytecode;
use super::jinja::environment;
use super::message::Message;
use super::meter::{METER, Meter, weight};
use crate::config_file::without_mark;
use crate::record::contained_here;
use crate::{At, Error, Result};

/// A compiled chat template.
#[derive(Debug)]
pub(super) struct Template {
    env: Environment<'static>,
    instructions: Instructions<'static>,
    source: String,
    /// The file that it was found in.
    place: PathBuf,
    /// `bos_token`, `eos_token` and their like, by which templates refer to them.
    special: serde_json::Map<String, serde_json::Value>,
}

impl Template {
    /// Finds a model folder's template: `chat_template.jinja` if it is there, else `chat_template` of
    /// `tokenizer_config.json`, which is a text or a list of named templates (then `default` is taken).
    pub(super) fn find(dir: &Path, tokenizer_config: &serde_json::Value) -> Result<Option<Self>> {
        let own_file = dir.join("chat_template.jinja");
        let (place, source) = if own_file.exists() {
            let bytes = std::fs::read(&own_file).at(&own_file)?;
            let source = String::from_utf8(without_mark(&bytes).to_vec()).doing("not UTF-8").at(&own_file)?;
            (own_file, source)
        } else {
            let place = dir.join("tokenizer_config.json");
            match &tokenizer_config["chat_template"] {
                serde_json::Value::Null => return Ok(None),
                serde_json::Value::String(source) => (place, source.clone()),
                serde_json::Value::Array(named) => {
                    let default = named.iter().find(|t| t["name"] == "default");
                    let source = default.and_then(|t| t["template"].as_str()).ok_or_else(|| {
                        Error::new("`chat_template` is a list without a template named `default`").at(place.display())
                    })?;
                    (place, source.to_owned())
                }
                _ => return Err(Error::new("`chat_template` is neither a text nor a list").at(place.display())),
            }
        };
        let mut special = serde_json::Map::new();
        for name in ["bos_token", "eos_token", "unk_token", "pad_token"] {
            if let Some(token) = token_text(&tokenizer_config[name]) {
                special.insert(name.into(), token.into());
            }
        }
        Self::compile(source, special, &place).map(Some)
    }

    /// Compiles a template with transformers' settings.
    pub(super) fn compile(
        source: String,
        special: serde_json::Map<String, serde_json::Value>,
        place: &Path,
    ) -> Result<Self> {
        // minijinja's instructions borrow from the source. A program knows a handful of templates, and keeps them.
        let kept: &'static str = without_generation(&source).leak();
        let compiled = contained_here(place, || {
            bytecode::compile(kept).map_err(in_full).doing("the chat template does not compile")
        });
        let instructions = compiled.at(place)?;
        Ok(Self { env: environment(), instructions, source, place: place.to_owned(), special })
    }

    /// The template as it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The file that it was found in.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// The conversation as the text that the model was trained to see.
    pub(super) fn render(&self, messages: &[Message], generation_prompt: bool) -> Result<String> {
        let turns: Vec<Turn<'_>> = messages.iter().map(Turn::of).collect();
        let turns = Value::from_serialize(turns);
        let tools = Value::from_serialize(messages.iter().find_map(|message| message.tools.as_ref()));
        let conversation = Value::from(vec![turns.clone(), tools.clone()]);
        let work = || -> Result<String> {
            let meter = Meter::new(weight(&conversation, u64::MAX).map_err(in_full)?);
            let special = self.special.iter().map(|(name, token)| (name.as_str(), Value::from_serialize(token)));
            let own = [
                ("messages", turns),
                ("tools", tools),
                ("add_generation_prompt", Value::from(generation_prompt)),
                ("documents", Value::from(())),
                (METER, Value::from_object(meter)),
            ];
            let context: Value = special.chain(own).collect();
            let mut text = String::new();
            let mut out = make_string_output(&mut text);
            let (vm, none) = (Vm::new(&self.env), Default::default());
            vm.eval(&self.instructions, context, &none, &mut out, AutoEscape::None).map_err(in_full)?;
            drop(out);
            Ok(text)
        };
        contained_here(&self.place, || work().doing("the chat template failed")).at(&self.place)
    }
}

/// A turn as templates see it.
#[derive(Serialize)]
struct Turn<'m> {
    role: &'m str,
    content: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<&'m serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'m str>,
}

impl<'m> Turn<'m> {
    fn of(message: &'m Message) -> Self {
        Self {
            role: &message.role,
            content: &message.content,
            tool_calls: message.tool_calls.as_ref(),
            tool_call_id: message.tool_call_id.as_deref(),
            name: message.name.as_deref(),
        }
    }
}

/// `{% generation %}` and `{% endgeneration %}` mark what is learned for transformers' masks and render nothing: here they become a
/// condition that always holds, which treats the white space around it in the same way.
fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        out += before;
        out += "{%";
        rest = tag;
        let Some((inside, after)) = tag.split_once("%}") else { continue };
        let left = inside.len() - inside.trim_start_matches(['-', '+']).len();
        let right = inside.trim_end_matches(['-', '+']).len();
        let condition = match inside.get(left..right).map(str::trim) {
            Some("generation") => "if true",
            Some("endgeneration") => "endif",
            _ => continue,
        };
        out += &format!("{} {condition} {}%}}", &inside[..left], &inside[right..]);
        rest = after;
    }
    out + rest
}

/// The text of a special token, which is written as it is or as an object with `content`.
pub(super) fn token_text(token: &serde_json::Value) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

/// minijinja tells only the outermost error in its plain message; a template's mistake often lies deeper. A template's own words may
/// be long.
fn in_full(e: minijinja::Error) -> Error {
    const LONGEST: usize = 400;
    let mut what = words_of(&e);
    let mut source = std::error::Error::source(&e);
    while let Some(deeper) = source {
        let words = deeper.downcast_ref().map_or_else(|| deeper.to_string(), words_of);
        what = format!("{what}: {words}");
        source = deeper.source();
    }
    if what.chars().count() > LONGEST {
        what = what.chars().take(LONGEST).chain("...".chars()).collect();
    }
    Error::new(what)
}

fn words_of(e: &minijinja::Error) -> String {
    let what = match (e.kind(), e.detail()) {
        (ErrorKind::OutOfFuel, _) => "the template takes too many steps".to_owned(),
        // Also what `raise_exception` says.
        (ErrorKind::InvalidOperation, Some(detail)) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    e.line().map_or_else(|| what.clone(), |line| format!("{what} (line {line})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: &str) -> Template {
        let special = serde_json::json!({"eos_token": "<e>"});
        Template::compile(source.into(), special.as_object().unwrap().clone(), Path::new("m/chat_template.jinja"))
            .unwrap()
    }

    #[track_caller]
    fn check(source: &str, want: &str) {
        let chat = [Message::system(" s "), Message::user("u <&> 'é'"), Message::assistant("a")];
        let got = template(source).render(&chat, true).unwrap_or_else(|e| e.to_string());
        assert_eq!(got, want);
    }

    #[test]
    fn python_and_jinja_idioms_of_templates_work() {
        check("{{ messages[0]['role'] }}{{ messages[1:]|length }}{{ messages[::-1][0].content }}", "system2a");
        check(
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "3",
        );
        check("{{ messages[0].content.strip() }}{{ 'a,b'.split(',')[1] }}{{ 'abc'.startswith('ab') }}", "sbTrue");
        check("{% for m in messages %}{{ loop.index0 }}{% if loop.last %}!{% endif %}{% endfor %}", "012!");
        check(
            "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }};{% endfor %}",
            "user;assistant;",
        );
        check("{{ messages[1] | tojson }}", r#"{"role": "user", "content": "u <&> 'é'"}"#);
        check("{{ [1, {'k': none}] | tojson(indent=2) }}", "[\n  1,\n  {\n    \"k\": null\n  }\n]");
        check("{{ eos_token }}{% if tools %}x{% endif %}{% if bos_token is defined %}y{% endif %}", "<e>");
        check("{% if add_generation_prompt %}\n  {% set x = 1 %}\n{{ x }}\n{% endif %}\n", "1\n");
    }

    #[test]
    fn a_template_can_refuse_a_conversation() {
        let refused = template("{{ raise_exception('roles must alternate') }}").render(&[], false).unwrap_err();
        assert!(refused.to_string().contains("roles must alternate"), "{refused}");
    }

    #[test]
    fn a_broken_template_is_an_error_that_says_where() {
        let e = Template::compile("\n{% for %}".into(), Default::default(), Path::new("m/t.jinja"))
            .unwrap_err()
            .to_string();
        assert!(e.starts_with("m/t.jinja: the chat template does not compile: ") && e.ends_with("(line 2)"), "{e}");
    }

    #[test]
    fn generation_tags_render_nothing() {
        let tags =
            "{% for m in messages %}\n{%- generation -%}\n{{ m.content }}\n{%- endgeneration %}\n.\n{% endfor %}";
        let plain = "{% for m in messages %}\n{%- if true -%}\n{{ m.content }}\n{%- endif %}\n.\n{% endfor %}";
        let chat = [Message::user("a"), Message::assistant("b")];
        assert_eq!(template(tags).render(&chat, false).unwrap(), template(plain).render(&chat, false).unwrap());
        check("{%generation%}x{%endgeneration%}{% if generation is defined %}y{% endif %}", "x");
    }

    /// What a template that asks for too much is told, after at most a second or two on a busy machine.
    #[track_caller]
    fn refused(source: &str, want: &str) {
        let begun = std::time::Instant::now();
        let place = Path::new("m/chat_template.jinja");
        let chat = [Message::user("u"), Message::assistant("a")];
        let told = Template::compile(source.into(), Default::default(), place).and_then(|t| t.render(&chat, false));
        let told = told.map_or_else(|e| e.to_string(), |text| format!("rendered {} bytes", text.len()));
        assert!(told.starts_with("m/chat_template.jinja: ") && told.contains(want), "{source:.80}: {told}");
        assert!(told.len() < 700 && begun.elapsed().as_secs() < 20, "{source:.80}: {:?}", begun.elapsed());
    }

    #[test]
    fn what_a_template_uses_up_is_bounded() {
        let steps = "too many steps";
        refused("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", steps);
        refused("{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(40) }}", steps);
        refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion limit exceeded");
        for grow in [
            "n.s ~ n.s",
            "n.s + n.s",
            "n.s * 2",
            "[n.s, n.s]",
            "n.s|replace('a', n.s)",
            "[n.s, n.s]|join(n.s)",
            "n.s.replace('a', n.s)",
        ] {
            let source = "{% set n = namespace(s='aa') %}{% for i in range(200) %}{% set n.s = GROW %}{% endfor %}";
            refused(&source.replace("GROW", grow), "the template makes too");
        }
        refused(&"{% set s = s ~ 'ab' ~ s %}".repeat(100), "the template makes too");
        refused(
            "{% set x %}{% for i in range(99999) %}RAW{% endfor %}{% endset %}"
                .replace("RAW", &"r".repeat(9999))
                .as_str(),
            "too much text",
        );
        refused(
            "{% for i in range(99999) %}RAW{% endfor %}".replace("RAW", &"r".repeat(9999)).as_str(),
            "too much text",
        );
        refused(
            "{% set n = namespace(a=[]) %}{% for i in range(99999) %}{% set n.a = [n.a] %}{% endfor %}",
            "too deeply",
        );
        refused("{% set n = namespace() %}{% set n.a = n %}{{ n }}", "a namespace into a namespace");
        refused("{% set n = namespace() %}{% set n.a = [n] %}{{ n }}", "a namespace into another");
        refused("{{ 'a' * 10 ** 9 }}", "too long a text");
        refused("{{ ([1] * 10 ** 12)|length }}", "too long a text");
        refused("{{ [1]|tojson(indent=10**15) }}", "is more than 16");
        refused("{{ [1]|tojson(18446744073709551615) }}", "too");
        refused("{{ '{:1000000000}'.format('a') }}", "is more than 1000");
        refused("{{ '%1000000000s'|format('a') }}", "is more than 1000");
        refused("{{ 'a'|indent(10**12) }}", "is more than 1000");
        refused("{{ [1]|slice(1000000000000)|list }}", "is more than 100000");
        refused("{{ [1]|batch(1000000000000, 'x')|list }}", "is more than 100000");
        refused("{% for m in messages %}{{ loop.cycle() }}{% endfor %}", "cycle() needs");
        refused("{% for m in messages %}{{ loop.cycle(*[]) }}{% endfor %}", "cycle() needs");
        refused(
            "{% set s = 'ab' * 99999 %}{% for i in range(99999) %}{% if s == s ~ '' %}{% endif %}{% endfor %}",
            "too much text",
        );
        refused(
            "{% set s = 'ab' * 99999 %}{% for i in range(99999) %}{% if 'c' in s %}{% endif %}{% endfor %}",
            "too much text",
        );
        refused("{% set s = 'ab' * 99999 %}{% for i in range(99999) %}{{ s[-1] }}{% endfor %}", "too much text");
        refused("{{ range(99999)|map('replace', '', 'x' * 99999)|list }}", "too");
        refused("{% include 'chat' %}", "template");
        refused("{% block a %}{{ self.a() }}{% endblock %}", "`block` has no meaning");
        refused(&format!("{{{{ 1{} }}}}", "+1".repeat(50_000)), "more than 1000 words");
        refused(&format!("{{{{ x{} }}}}", "|trim".repeat(50_000)), "more than 1000 words");
        refused(&format!("{{{{ {}1 }}}}", "not ".repeat(50_000)), "more than 1000 words");
        refused(&format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(50_000)), "more than 400");
        refused(&"{% if 1 %}".repeat(50_000), "recursion");
        refused(&"{{ ".repeat(50_000), "syntax error");
    }

    #[test]
    fn python_counts_the_empty_text() {
        check("{{ 'abc'.count('') }}{{ 'aXbX'.count('X') }}", "42");
        check("{% for m in messages %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba");
    }

    #[test]
    fn tools_and_calls_reach_the_template() {
        let tools = serde_json::json!([{"type": "function", "function": {"name": "weather"}}]);
        let calls =
            serde_json::json!([{"type": "function", "function": {"name": "weather", "arguments": {"city": "Bergen"}}}]);
        let chat = [
            Message { tools: Some(tools), ..Message::user("Rain?") },
            Message { tool_calls: Some(calls), ..Message::assistant("") },
        ];
        let source = "{{ tools[0].function.name }}{% for m in messages %}{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}";
        assert_eq!(template(source).render(&chat, false).unwrap(), "weather{\"city\": \"Bergen\"}");
    }
}
