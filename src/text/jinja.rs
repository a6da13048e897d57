//! The functions, filters and methods that a chat template knows: Jinja's, Python's and transformers', each under [`super::meter`].

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, escape_formatter};
use serde::Serialize;

use super::bytecode::{CHECKED, CYCLE, ITEM, SLICE, STORABLE, TIMES, WEIGHED};
use super::meter::{checked, spend, storable, weigh};
use super::strftime::strftime;

/// Instructions of one rendering. A turn of a chat takes about a hundred; a million take a fraction of a second.
const FUEL: u64 = 1_000_000;
/// Macros within macros, four times: templates that write JSON schemas recurse a dozen times.
const RECURSION: usize = 240;
/// Widths, counts and indentations that a text may be padded to.
const WIDTH_MAX: u64 = 1000;
const COUNT_MAX: u64 = 100_000;

/// Jinja's filters that make a value out of their arguments alone; others, such as `map`, apply one of these to each item.
const FILTERS: [&str; 42] = [
    "escape",
    "e",
    "lower",
    "upper",
    "title",
    "capitalize",
    "replace",
    "length",
    "count",
    "dictsort",
    "items",
    "reverse",
    "trim",
    "join",
    "split",
    "lines",
    "default",
    "d",
    "round",
    "abs",
    "int",
    "float",
    "attr",
    "first",
    "last",
    "min",
    "max",
    "sort",
    "list",
    "string",
    "bool",
    "batch",
    "slice",
    "sum",
    "indent",
    "groupby",
    "unique",
    "chain",
    "zip",
    "pprint",
    "format",
    "safe",
];
/// Tests of two values, which take as long as the values are.
const TESTS: [&str; 18] = [
    "eq",
    "equalto",
    "==",
    "ne",
    "!=",
    "lt",
    "lessthan",
    "<",
    "le",
    "<=",
    "gt",
    "greaterthan",
    ">",
    "ge",
    ">=",
    "in",
    "lower",
    "upper",
];

/// The environment of chat templates.
pub(super) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(RECURSION);
    // It prints everything that the program keeps.
    env.remove_global("debug");
    env.set_formatter(|out, state, value| {
        weigh(state, std::slice::from_ref(value))?;
        escape_formatter(out, state, value)
    });
    env.set_unknown_method_callback(method);
    env.add_function("raise_exception", raise_exception);
    env.add_function("strftime_now", strftime_now);
    let plain = Arc::new(Environment::new());
    for name in FILTERS {
        let plain = Arc::clone(&plain);
        env.add_filter(name, move |state: &State<'_, '_>, args: Rest<Value>| {
            weigh(state, &args)?;
            refuse_growth(name, state, &args)?;
            checked(state, plain.empty_state().apply_filter(name, &args)?)
        });
    }
    for name in TESTS {
        let plain = Arc::clone(&plain);
        env.add_test(name, move |state: &State<'_, '_>, args: Rest<Value>| {
            weigh(state, &args)?;
            plain.empty_state().perform_test(name, &args)
        });
    }
    env.add_filter("tojson", to_json);
    env.add_function(CHECKED, checked as fn(&State<'_, '_>, Value) -> Result<Value, Error>);
    env.add_function(STORABLE, storable as fn(&State<'_, '_>, Value) -> Result<Value, Error>);
    env.add_function(WEIGHED, |state: &State<'_, '_>, value: Value| {
        weigh(state, std::slice::from_ref(&value)).map(|()| value)
    });
    env.add_function(TIMES, times);
    env.add_function(SLICE, slice);
    env.add_function(ITEM, item);
    env.add_function(CYCLE, cycle);
    env
}

fn wrong(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// The operands of `*`, in the order in which they are unpacked.
fn times(state: &State<'_, '_>, a: Value, b: Value) -> Result<Value, Error> {
    for (many, n) in [(&a, &b), (&b, &a)] {
        if matches!(many.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Iterable) {
            let n = n.as_usize().unwrap_or_default() as u64;
            let bytes = super::meter::weight(many, u64::MAX)?.bytes();
            spend(state, bytes.saturating_mul(n))?;
        }
    }
    Ok(Value::from(vec![b, a]))
}

/// A value and its slice's start, stop and step, in the order in which they are unpacked.
fn slice(state: &State<'_, '_>, value: Value, start: Value, stop: Value, step: Value) -> Result<Value, Error> {
    // Beyond any text, and far from where sums overflow.
    let fits = |n: &Value| n.is_none() || n.is_undefined() || n.as_i64().is_some_and(|n| n.unsigned_abs() < 1 << 40);
    if ![&start, &stop, &step].into_iter().all(fits) {
        return Err(wrong("a slice by what is no small number"));
    }
    if value.as_str().is_some() {
        weigh(state, std::slice::from_ref(&value))?;
    }
    Ok(Value::from(vec![step, stop, start, value]))
}

/// `value[key]`.
fn item(state: &State<'_, '_>, value: Value, key: Value) -> Result<Value, Error> {
    if value.as_str().is_some() {
        weigh(state, std::slice::from_ref(&value))?;
    }
    value.get_item(&key)
}

/// `loop.cycle(...)`, and what else has a method of this name.
fn cycle(state: &State<'_, '_>, value: Value, args: Rest<Value>) -> Result<Value, Error> {
    if args.is_empty() {
        return Err(wrong("cycle() needs something to cycle through"));
    }
    value.call_method(state, "cycle", &args)
}

/// Python's methods of texts, lists and maps.
fn method(state: &State<'_, '_>, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if value.kind() != ValueKind::Map {
        weigh(state, std::slice::from_ref(value))?;
    }
    weigh(state, args)?;
    let with_value: Vec<Value> = std::iter::once(value.clone()).chain(args.iter().cloned()).collect();
    match (value.as_str(), name, args) {
        // As in Python: before each character and at the end.
        (Some(text), "count", [part]) if part.as_str() == Some("") => return Ok(Value::from(text.chars().count() + 1)),
        (Some(_), "join", [list]) => refuse_growth("join", state, &[list.clone(), value.clone()])?,
        (Some(_), "replace" | "format", _) => refuse_growth(name, state, &with_value)?,
        _ => {}
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// Refuses what would be longer than a text may be, by what the arguments ask for.
fn refuse_growth(name: &str, state: &State<'_, '_>, args: &[Value]) -> Result<(), Error> {
    let text = |i: usize| args.get(i).and_then(Value::as_str).unwrap_or_default();
    let length = |i: usize| text(i).len() as u64;
    match name {
        "replace" => {
            let places = if length(1) == 0 { length(0) + 1 } else { length(0) / length(1) };
            spend(state, places.saturating_mul(length(2)))
        }
        "join" => spend(state, args[0].len().unwrap_or_default() as u64 * length(1)),
        "indent" => {
            let width = numbers(args).max().unwrap_or_default();
            refuse_above(width, WIDTH_MAX)?;
            spend(state, text(0).lines().count() as u64 * width)
        }
        "batch" | "slice" => refuse_above(numbers(args).max().unwrap_or_default(), COUNT_MAX),
        "round" | "int" => refuse_above(numbers(&args[1..]).max().unwrap_or_default(), 64),
        "format" => {
            let digits = text(0)
                .split(|c: char| !c.is_ascii_digit())
                .map(|run| run.parse::<u64>().unwrap_or(u64::from(!run.is_empty()) * u64::MAX));
            let widths = digits.max().unwrap_or_default();
            refuse_above(widths, WIDTH_MAX)?;
            // `{:{}}` and `%*d` take their width from an argument.
            let widths = if text(0).contains("{:{") || text(0).contains('*') {
                numbers(args).max().unwrap_or(1)
            } else {
                widths
            };
            refuse_above(widths, WIDTH_MAX)?;
            let places = text(0).bytes().filter(|b| matches!(b, b'{' | b'%')).count() as u64;
            let longest = args
                .iter()
                .map(|arg| super::meter::weight(arg, u64::MAX).map_or(u64::MAX, |w| w.bytes()))
                .max()
                .unwrap_or_default();
            spend(state, places.saturating_mul(widths.saturating_add(longest)))
        }
        // Python's too adds numbers only, and a sum of texts would be made one by one.
        // Python's too adds no texts.
        "sum" if args[0].try_iter()?.any(|item| item.as_str().is_some()) => Err(wrong("a sum of texts")),
        _ => Ok(()),
    }
}

/// The whole numbers among arguments, named ones included.
fn numbers(args: &[Value]) -> impl Iterator<Item = u64> + '_ {
    let named = args.last().and_then(Value::as_object).and_then(|named| named.try_iter_pairs()).into_iter().flatten();
    let named = named.map(|(_, value)| value);
    args.iter().cloned().chain(named).filter(|value| value.is_number()).map(|value| {
        let n = value.as_i64().map(i64::unsigned_abs);
        n.unwrap_or_else(|| f64::try_from(value).map_or(u64::MAX, |x| x.abs() as u64))
    })
}

fn refuse_above(n: u64, most: u64) -> Result<(), Error> {
    if n > most { Err(wrong(format!("{n} is more than {most}, which is the most here"))) } else { Ok(()) }
}

/// `raise_exception(message)`, by which a template refuses a conversation.
fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// `strftime_now(format)`: today in UTC (transformers takes local time). Prompts that contain it change from day to day;
/// Qwen2.5's has none.
fn strftime_now(format: String) -> Result<String, Error> {
    refuse_above(format.len() as u64, WIDTH_MAX)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    strftime(&format, now)
        .map_err(|code| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: unknown code {code}")))
}

/// `value | tojson`, with the spacing of Python's `json.dumps(ensure_ascii=False)`; `indent=N` is understood.
fn to_json(state: &State<'_, '_>, value: Value, args: Rest<Value>, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = match args.first() {
        Some(indent) => Some(usize::try_from(indent.clone())?),
        None => options.get("indent")?,
    };
    options.assert_all_used()?;
    weigh(state, std::slice::from_ref(&value))?;
    refuse_above(indent.unwrap_or_default() as u64, 16)?;
    let failed =
        |e: serde_json::Error| Error::new(ErrorKind::InvalidOperation, "cannot be written as JSON").with_source(e);
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
    spend(state, out.len() as u64)?;
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
