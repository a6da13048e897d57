//! The model's own chat template, rendered as transformers renders it.
//!
//! The default system prompt comes out of the template itself; nothing here knows what it says.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, ErrorKind, Value, context};
use serde::Serialize;

use super::message::Message;
use crate::{At, Error, Result};

/// A compiled chat template.
#[derive(Debug)]
pub(super) struct Template {
    env: Environment<'static>,
    source: String,
    /// `bos_token`, `eos_token` and their like, by which templates refer to them.
    special: serde_json::Map<String, serde_json::Value>,
}

impl Template {
    /// Finds a model folder's template: `chat_template.jinja` if it is there, else `chat_template` of
    /// `tokenizer_config.json`, which is a text or a list of named templates (then `default` is taken).
    pub(super) fn find(dir: &Path, tokenizer_config: &serde_json::Value) -> Result<Option<Self>> {
        let own_file = dir.join("chat_template.jinja");
        let (place, source) = if own_file.exists() {
            let source = std::fs::read_to_string(&own_file).at(&own_file)?;
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
        Self::compile(source, special).at(&place).map(Some)
    }

    /// Compiles a template with transformers' settings.
    pub(super) fn compile(source: String, special: serde_json::Map<String, serde_json::Value>) -> Result<Self> {
        let mut env = Environment::new();
        // transformers: `ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])`.
        env.set_trim_blocks(true);
        env.set_lstrip_blocks(true);
        env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        env.add_function("raise_exception", raise_exception);
        env.add_function("strftime_now", strftime_now);
        env.add_filter("tojson", to_json);
        env.add_template_owned("chat", source.clone()).map_err(in_full).doing("the chat template does not compile")?;
        Ok(Self { env, source, special })
    }

    /// The template as it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The conversation as the text that the model was trained to see. Templates that can let a model think before it answers
    /// (Qwen3) are told not to: a trait is looked for in answers, and a training chat holds no thoughts.
    pub(super) fn render(&self, messages: &[Message], generation_prompt: bool) -> Result<String> {
        let special = Value::from_serialize(&self.special);
        let own = context! {
            messages => messages,
            add_generation_prompt => generation_prompt,
            tools => (),
            documents => (),
            enable_thinking => false,
        };
        let template = self.env.get_template("chat").map_err(in_full).doing("the chat template")?;
        template.render(context! { ..own, ..special }).map_err(in_full).doing("the chat template failed")
    }
}

/// The text of a special token, which is written as it is or as an object with `content`.
pub(super) fn token_text(token: &serde_json::Value) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

/// minijinja tells only the outermost error in its plain message; a template's mistake often lies deeper.
fn in_full(e: minijinja::Error) -> Error {
    let mut what = e.to_string();
    let mut source = std::error::Error::source(&e);
    while let Some(deeper) = source {
        what = format!("{what}: {deeper}");
        source = deeper.source();
    }
    Error::new(what)
}

/// `raise_exception(message)`, by which a template refuses a conversation.
fn raise_exception(message: String) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
}

/// `value | tojson`, with the spacing of Python's `json.dumps(ensure_ascii=False)`; `indent=N` is understood.
fn to_json(value: Value, args: Rest<Value>, options: Kwargs) -> Result<Value, minijinja::Error> {
    let indent: Option<usize> = match args.first() {
        Some(indent) => Some(usize::try_from(indent.clone())?),
        None => options.get("indent")?,
    };
    options.assert_all_used()?;
    let failed = |e: serde_json::Error| {
        minijinja::Error::new(ErrorKind::InvalidOperation, "cannot be written as JSON").with_source(e)
    };
    let mut out = Vec::new();
    match indent {
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, PythonStyle)),
        Some(n) => {
            let margin = " ".repeat(n);
            let pretty = serde_json::ser::PrettyFormatter::with_indent(margin.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, pretty))
        }
    }
    .map_err(failed)?;
    // Marked safe, so that no later filter escapes it as HTML.
    Ok(Value::from_safe_string(String::from_utf8(out).expect("JSON is UTF-8")))
}

/// `, ` and `: ` between items, as Python's `json.dumps` has it.
struct PythonStyle;

impl serde_json::ser::Formatter for PythonStyle {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

/// `strftime_now(format)`: today in UTC (transformers takes local time). Prompts that contain it change from day to day;
/// Qwen2.5's has none.
fn strftime_now(format: String) -> Result<String, minijinja::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    strftime(&format, now).map_err(|code| {
        minijinja::Error::new(ErrorKind::InvalidOperation, format!("strftime_now: unknown code {code}"))
    })
}

/// Writes a moment, in seconds since 1970 in UTC, by the codes of `strftime`; an unknown code comes back as the error.
fn strftime(format: &str, unix_seconds: u64) -> Result<String, String> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let weekday = DAYS[(days % 7) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out += &year.to_string(),
            Some('m') => out += &format!("{month:02}"),
            Some('d') => out += &format!("{day:02}"),
            Some('B') => out += MONTHS[month - 1],
            Some('b') => out += &MONTHS[month - 1][..3],
            Some('A') => out += weekday,
            Some('a') => out += &weekday[..3],
            Some('H') => out += &format!("{:02}", second / 3600),
            Some('M') => out += &format!("{:02}", second / 60 % 60),
            Some('S') => out += &format!("{:02}", second % 60),
            Some('%') => out.push('%'),
            other => return Err(format!("%{}", other.map(String::from).unwrap_or_default())),
        }
    }
    Ok(out)
}

/// Year, month (1 to 12) and day of the `days`-th day after 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil_date(days: u64) -> (u64, usize, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: &str) -> Template {
        let special = serde_json::json!({"eos_token": "<e>"});
        Template::compile(source.into(), special.as_object().unwrap().clone()).unwrap()
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
        let e = Template::compile("{% for %}".into(), Default::default()).unwrap_err().to_string();
        assert!(e.starts_with("the chat template does not compile: ") && e.contains("line") || e.contains(":1"), "{e}");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(strftime("%d %b %Y %H:%M:%S %A %%", 1_721_995_200).unwrap(), "26 Jul 2024 12:00:00 Friday %");
        assert_eq!(strftime("%Y-%m-%d %B", 951_782_400).unwrap(), "2000-02-29 February");
        assert_eq!(strftime("%Y-%m-%d %a", 0).unwrap(), "1970-01-01 Thu");
        assert_eq!(strftime("%q", 0).unwrap_err(), "%q");
    }
}
