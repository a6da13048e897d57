//! A table of rows, and its three forms: CSV, JSON and aligned text for a terminal.

use serde_json::{Map, Value};

use crate::stats::Interval;

/// One value of a [`Table`].
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing: empty in CSV, `null` in JSON, a dash for people.
    Missing,
    /// A text.
    Text(String),
    /// A number as it was measured; NaN is [`Cell::Missing`] in every form.
    Number(f64),
    /// A count or a seed.
    Count(u64),
    /// A mean with its interval, shown as one: `12.3 [10.1, 14.5]`.
    Interval(Interval),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

impl Cell {
    /// For programs: every digit.
    fn exact(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(n) if n.is_finite() => n.to_string(),
            Self::Number(_) => String::new(),
            Self::Count(n) => n.to_string(),
            Self::Interval(i) => i.to_string(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Text(text) => Value::from(text.as_str()),
            Self::Number(n) => Value::from(*n),
            Self::Count(n) => Value::from(*n),
            Self::Interval(i) => serde_json::to_value(i).unwrap_or(Value::Null),
        }
    }

    /// For people: as many digits as mean something.
    pub fn shown(&self) -> String {
        match self {
            Self::Missing => "–".to_owned(),
            Self::Number(n) if !n.is_finite() => "–".to_owned(),
            Self::Number(n) => super::scale::short(*n),
            _ => self.exact(),
        }
    }

    /// Whether it is set to the right, digits under digits.
    pub fn is_numeric(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

/// A column of a [`Table`]: its name, and its cell for a thing that has a row.
pub type Column<'a, R> = (&'a str, &'a dyn Fn(&R) -> Cell);

/// Columns and rows; every row has a cell for each column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// A table of these columns with a row for each thing.
    pub fn of<R>(things: &[R], columns: &[Column<'_, R>]) -> Self {
        let row = |thing: &R| columns.iter().map(|(_, of)| of(thing)).collect();
        let columns = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self { columns, rows: things.iter().map(row).collect() }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// If it has not one cell for each column.
    pub fn push(&mut self, row: Vec<Cell>) {
        assert_eq!(row.len(), self.columns.len(), "a row has a cell for each column");
        self.rows.push(row);
    }

    /// RFC 4180 with a header line; lines end in LF, as pandas writes them.
    pub fn csv(&self) -> String {
        let line =
            |fields: &mut dyn Iterator<Item = String>| fields.map(|f| csv_field(&f)).collect::<Vec<_>>().join(",");
        let mut out = line(&mut self.columns.iter().cloned()) + "\n";
        for row in &self.rows {
            out += &line(&mut row.iter().map(Cell::exact));
            out.push('\n');
        }
        out
    }

    /// An array with one object for each row.
    pub fn json(&self) -> Value {
        let object = |row: &Vec<Cell>| {
            Value::Object(self.columns.iter().cloned().zip(row.iter().map(Cell::json)).collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }

    /// Aligned columns under a rule, for a terminal; ends with a newline.
    pub fn text(&self) -> String {
        let shown: Vec<Vec<String>> = self.rows.iter().map(|r| r.iter().map(Cell::shown).collect()).collect();
        let wide = |text: &str| text.chars().count();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|i| shown.iter().map(|r| wide(&r[i])).chain([wide(&self.columns[i])]).max().unwrap_or(0))
            .collect();
        let right: Vec<bool> = (0..self.columns.len())
            .map(|i| !self.rows.is_empty() && self.rows.iter().all(|r| r[i].is_numeric()))
            .collect();
        let line = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).zip(&right).map(|((cell, &width), &right)| {
                let space = " ".repeat(width - wide(cell));
                if right { space + cell } else { cell.clone() + &space }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
        let head = line(&self.columns) + &line(&rule);
        shown.iter().fold(head, |out, row| out + &line(row))
    }
}

fn csv_field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["arm", "coef", "score"]);
        table.push(vec!["plain, \"old\"".into(), Cell::Missing, 71.25.into()]);
        table.push(vec!["prévention".into(), 0.5.into(), f64::NAN.into()]);
        table
    }

    #[test]
    fn csv_quotes_what_it_must() {
        assert_eq!(table().csv(), "arm,coef,score\n\"plain, \"\"old\"\"\",,71.25\nprévention,0.5,\n");
    }

    #[test]
    fn json_keeps_the_columns_in_order_and_has_no_nan() {
        let json = table().json().to_string();
        let first = r#"{"arm":"plain, \"old\"","coef":null,"score":71.25}"#;
        assert_eq!(json, format!("[{first},{}]", r#"{"arm":"prévention","coef":0.5,"score":null}"#));
    }

    #[test]
    fn text_is_aligned() {
        let want = "arm           coef  score\n────────────  ────  ─────\nplain, \"old\"     –  71.25\nprévention     0.5      –\n";
        assert_eq!(table().text(), want);
    }
}
