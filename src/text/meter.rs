//! What a template may use up: templates come with models from strangers, and a few words of one can ask for any time and memory.
//!
//! minijinja counts instructions, each of which may double a text. So every value that a template makes is weighed here: its size, its
//! depth, and the sum of all of them, which bounds time and memory together.

use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::value::{Object, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// The meter's name in a template's context; no template can name it, since names have no spaces.
pub(super) const METER: &str = " meter";

/// What all values of one rendering may weigh together, and one of them, in bytes: so much anyway, and so many times the conversation.
const ALL: u64 = 48 << 20;
const ALL_TIMES: u64 = 64;
const ONE: u64 = 8 << 20;
const ONE_TIMES: u64 = 16;
/// What an item of a list or a map weighs beside its text.
const ITEM: u64 = 16;
/// Lists within lists: copies, comparisons and printing recurse.
const DEPTH: usize = 64;

/// What one rendering has left.
#[derive(Debug)]
pub(super) struct Meter {
    left: AtomicU64,
    one: u64,
}

impl Object for Meter {}

/// What a value weighs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    items: u64,
    text: u64,
}

impl Weight {
    /// Items and text together.
    pub(super) fn bytes(self) -> u64 {
        self.items * ITEM + self.text
    }
}

impl Meter {
    /// A full meter for a conversation of a weight.
    pub(super) fn new(conversation: Weight) -> Self {
        let bytes = conversation.bytes();
        Self { left: AtomicU64::new(ALL + ALL_TIMES * bytes), one: ONE + ONE_TIMES * bytes }
    }

    /// Takes what some work weighs off.
    fn spend(&self, bytes: u64) -> Result<(), Error> {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        spent.map(drop).map_err(|_| refused("makes too much text"))
    }
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("the template {what}"))
}

/// The rendering's meter does something.
fn metered<T>(state: &State<'_, '_>, work: impl FnOnce(&Meter) -> Result<T, Error>) -> Result<T, Error> {
    let meter = state.lookup(METER).ok_or_else(|| refused("hides its meter"))?;
    work(meter.downcast_object_ref().ok_or_else(|| refused("hides its meter"))?)
}

/// Takes bytes that are about to be made off; refuses so many at once.
pub(super) fn spend(state: &State<'_, '_>, bytes: u64) -> Result<(), Error> {
    metered(state, |meter| {
        if bytes > meter.one {
            return Err(refused("makes too long a text"));
        }
        meter.spend(bytes)
    })
}

/// Takes off what going through these values once takes.
pub(super) fn weigh(state: &State<'_, '_>, values: &[Value]) -> Result<(), Error> {
    metered(state, |meter| values.iter().try_for_each(|value| meter.spend(weight(value, meter.one)?.bytes())))
}

/// A value that the template has made, weighed; lists that are only promised are made.
pub(super) fn checked(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => {
            spend(state, ITEM + value.as_str().map_or(0, str::len) as u64)?;
            Ok(value)
        }
        ValueKind::Iterable => metered(state, |meter| {
            let mut walk = Walk { weight: Weight::default(), most: meter.one };
            let mut items = Vec::new();
            for item in value.try_iter()? {
                walk.through(&item, 1)?;
                items.push(item);
            }
            meter.spend((walk.weight.items + 1) * ITEM)?;
            Ok(Value::from(items))
        }),
        ValueKind::Seq | ValueKind::Map => metered(state, |meter| {
            // Texts within are shared with where they come from.
            meter.spend(weight(&value, meter.one)?.items * ITEM)?;
            Ok(value)
        }),
        _ => Ok(value),
    }
}

/// A value that is about to become part of a namespace. One namespace in another could close a circle, which has no end.
pub(super) fn storable(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if is_namespace(&value) {
        return Err(refused("puts a namespace into a namespace"));
    }
    checked(state, value)
}

/// What a value weighs, printed as a whole.
///
/// # Errors
/// More than `most` bytes, or too deep.
pub(super) fn weight(value: &Value, most: u64) -> Result<Weight, Error> {
    let mut walk = Walk { weight: Weight::default(), most };
    walk.through(value, 0)?;
    Ok(walk.weight)
}

fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

struct Walk {
    weight: Weight,
    most: u64,
}

impl Walk {
    fn through(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.weight.items += 1;
        if let Some(text) = value.as_str() {
            self.weight.text += text.len() as u64;
        }
        if self.weight.bytes() > self.most {
            return Err(refused("makes too large a value"));
        }
        let Some(object) = value.as_object() else { return Ok(()) };
        if depth > 0 && is_namespace(value) {
            return Err(refused("puts a namespace into another value"));
        }
        if depth >= DEPTH {
            return Err(refused("nests values too deeply"));
        }
        match value.kind() {
            ValueKind::Map => {
                for (key, value) in object.try_iter_pairs().into_iter().flatten() {
                    self.through(&key, depth + 1)?;
                    self.through(&value, depth + 1)?;
                }
            }
            ValueKind::Seq | ValueKind::Iterable => {
                for item in object.try_iter().into_iter().flatten() {
                    self.through(&item, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
