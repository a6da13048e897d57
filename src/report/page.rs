//! A page: figures, tables and passages of text in any order, as one file with its pictures beside it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::colours::Look;
use super::figure::Figure;
use super::html;
use super::svg::escape;
use super::table::Table;
use crate::Result;
use crate::record::{create_folder, write_atomic};

/// What is shown on one page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// What it is about.
    pub title: String,
    /// Model, data, settings, in a line.
    pub subtitle: String,
    /// What was found, in one paragraph.
    pub verdict: String,
    /// Its sections.
    pub parts: Vec<Part>,
    /// How it was made: name and value.
    pub settings: Vec<(String, String)>,
    /// What went in: name and hash, seed or version.
    pub lock: Vec<(String, String)>,
    /// Names of the files beside the page that hold the numbers.
    pub beside: Vec<String>,
}

/// A section of a page.
#[derive(Debug, Clone)]
pub enum Part {
    /// One below the other.
    Figures(Vec<Figure>),
    /// A table under its own heading.
    Table {
        /// The heading.
        title: String,
        /// Caption above the table.
        caption: String,
        /// What is in it.
        table: Table,
    },
    /// What must be known to read the numbers.
    Notes(Vec<String>),
    /// A section that only this room writes.
    Html {
        /// The heading.
        title: String,
        /// Its contents.
        html: Html,
    },
    /// Texts with what was measured of them.
    Passages {
        /// The heading.
        title: String,
        /// What is to be known of them.
        note: String,
        /// The passages, in the order of the page.
        passages: Vec<Passage>,
    },
}

/// HTML in which everything foreign is escaped already.
#[derive(Debug, Clone)]
pub struct Html(pub(super) String);

/// A text and what was measured of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Passage {
    /// Its name and rank.
    pub heading: String,
    /// What was measured: name and value.
    pub facts: Vec<(String, String)>,
    /// Each turn's role and words.
    pub turns: Vec<(String, Vec<Span>)>,
}

/// A piece of a text, with how far it goes one way or the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The words.
    pub text: String,
    /// What was measured of them, and that as a share of the largest on the page, -1 to 1.
    pub heat: Option<(f64, f64)>,
}

impl Span {
    /// Text of which nothing was measured.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), heat: None }
    }
}

/// The settings of anything as name and value, nested ones with dots, those that were not given left out.
pub fn settings_of<T: Serialize + ?Sized>(settings: &T) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    // By way of the text: there a number of single precision has the digits that were written, 0.6 and not 0.6000000238418579.
    let text = serde_json::to_string(settings).unwrap_or_default();
    flatten("", &serde_json::from_str(&text).unwrap_or_default(), &mut rows);
    rows
}

fn flatten(key: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, rows);
            }
        }
        Value::Null => {}
        Value::String(text) => rows.push((key.to_owned(), text.clone())),
        other => rows.push((key.to_owned(), other.to_string())),
    }
}

impl Page {
    /// The page as one self-contained HTML document: no script, no external resource, light or dark as the reader's system is.
    pub fn html(&self) -> String {
        let mut out = html::section("Verdict", &format!("<p class=\"verdict\">{}</p>\n", escape(&self.verdict)));
        self.parts.iter().for_each(|part| out += &part_html(part));
        out += &html::made(&self.settings, &self.lock);
        let beside: Vec<String> = self.beside.iter().map(|name| format!("<code>{}</code>", escape(name))).collect();
        let footer = format!("The numbers are in the files beside this page: {}.", beside.join(", "));
        html::document(&self.title, &self.subtitle, &out, &footer)
    }

    /// Its figures, in order.
    fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.parts.iter().flat_map(|part| match part {
            Part::Figures(figures) => figures.as_slice(),
            _ => &[],
        })
    }

    /// Writes `report.html` and each figure as PNG and SVG into a folder, each atomically. Returns their paths, the page first.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn render(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        self.render_with(dir, Vec::new())
    }

    /// The same with further files by name.
    pub(super) fn render_with(&self, dir: &Path, more: Vec<(String, Vec<u8>)>) -> Result<Vec<PathBuf>> {
        create_folder(dir)?;
        let mut files = vec![("report.html".to_owned(), self.html().into_bytes())];
        for figure in self.figures() {
            files.extend(figure.pictures()?);
        }
        let write = |(name, bytes): (String, Vec<u8>)| {
            let path = dir.join(name);
            write_atomic(&path, &bytes).map(|()| path)
        };
        files.into_iter().chain(more).map(write).collect()
    }
}

fn part_html(part: &Part) -> String {
    match part {
        Part::Figures(figures) => {
            let body: String = figures.iter().map(|f| html::figure(&f.title, &f.caption, &f.svg(Look::Page))).collect();
            html::section("Figures", &body)
        }
        Part::Table { title, caption, table } => html::section(title, &html::table_html(title, caption, table)),
        Part::Html { title, html } => html::section(title, &html.0),
        Part::Notes(notes) => {
            let notes: String = notes.iter().map(|n| format!("<li>{}</li>\n", escape(n))).collect();
            html::section("Notes", &format!("<ul>\n{notes}</ul>\n"))
        }
        Part::Passages { title, note, passages } => {
            let passages: String = passages.iter().map(passage_html).collect();
            html::section(title, &format!("<p>{}</p>\n{passages}", escape(note)))
        }
    }
}

fn passage_html(passage: &Passage) -> String {
    let Passage { heading, facts, turns } = passage;
    let mut out = format!("<details class=\"passage\">\n<summary>{}", escape(heading));
    for (name, value) in facts {
        let _ = write!(out, " <small>{} <strong>{}</strong></small>", escape(name), escape(value).replace('-', "−"));
    }
    out.push_str("</summary>\n<article class=\"example\">\n<dl>\n");
    for (who, spans) in turns {
        let spans: String = spans.iter().map(span_html).collect();
        let _ = writeln!(out, "<dt>{}</dt><dd>{spans}</dd>", escape(who));
    }
    out + "</dl>\n</article>\n</details>\n"
}

/// Four strengths each way; strong ones are underlined too, since colour alone must never carry the meaning.
fn span_html(span: &Span) -> String {
    let text = escape(&span.text);
    let Some((value, share)) = span.heat else { return text };
    let strength = (share.abs() * 4.0).round().min(4.0) as usize;
    if strength == 0 {
        return format!("<span title=\"{value:+.2}\">{text}</span>");
    }
    let way = if share > 0.0 { "hot" } else { "cold" };
    format!("<mark class=\"{way}{strength}\" title=\"{value:+.2}\">{text}</mark>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::{Histogram, Hue, Mark, Scatter, Shape, Side, Threshold, Track};
    use crate::report::{Plot, png};

    fn page() -> Page {
        let group = |i: usize| {
            let points =
                (0..20).map(|q| (-25.0 + 2.0 * i as f64 + 0.2 * q as f64, (12.0 * i as f64 + q as f64).min(100.0)));
            Track::points(&format!("rung {i}"), Hue::rung(i, 8), Mark::nth(i), points)
        };
        let side = |label: &str, range| Side { key: label.into(), label: label.into(), range, better: None };
        let cloud = Scatter {
            x: side("projection at the last prompt token, layer 20", None),
            y: side("trait score, 0–100", Some((0.0, 100.0))),
            is_cloud: true,
            tracks: (0..8).map(group).collect(),
        };
        let values =
            |from: f64| (0..400).map(|i| from + (f64::from(i) * 0.37).sin() * 4.0 + f64::from(i % 7)).collect();
        let histogram = Histogram {
            x: "projection difference".into(),
            shapes: vec![
                Shape { name: "data".into(), hue: Hue::Vermillion, values: values(3.0) },
                Shape { name: "reference".into(), hue: Hue::Blue, values: values(-2.0) },
            ],
            thresholds: vec![Threshold { label: "95th percentile".into(), value: 5.5 }],
        };
        let picture = |file: &str, plot| Figure::new(file, "t", "c", plot);
        let mut table = Table::new(["setting", "r"]);
        table.push(vec!["<b>system".into(), (-0.75).into()]);
        let hot = |text: &str, share| Span { text: text.into(), heat: Some((share * 3.0, share)) };
        Page {
            title: "A <page>".into(),
            verdict: "v".into(),
            parts: vec![
                Part::Figures(vec![
                    picture("scatter", Plot::Scatter(cloud)),
                    picture("histogram", Plot::Histogram(histogram)),
                ]),
                Part::Table { title: "Correlations".into(), caption: "c".into(), table },
                Part::Notes(vec!["n".into()]),
                Part::Passages {
                    title: "Strongest".into(),
                    note: "n".into(),
                    passages: vec![Passage {
                        heading: "1 · line 7".into(),
                        facts: vec![("ΔP".into(), "12.5".into())],
                        turns: vec![
                            ("User".into(), vec![Span::plain("<script>")]),
                            ("Answer".into(), vec![hot("a ", 1.0), hot("b", -0.4), hot("c", 0.05)]),
                        ],
                    }],
                },
            ],
            beside: vec!["points.csv".into()],
            ..Page::default()
        }
    }

    #[test]
    fn the_page_holds_everything_and_escapes_it() {
        let dir = tempfile::tempdir().unwrap();
        let files = page().render(dir.path()).unwrap();
        assert_eq!(files.len(), 5);
        let html = std::fs::read_to_string(&files[0]).unwrap();
        for want in [
            "<h1>A &lt;page&gt;",
            "&lt;script&gt;",
            "class=\"hot4\" title=\"+3.00\"",
            "class=\"cold2\"",
            "−0.75",
            "points.csv",
        ] {
            assert!(html.contains(want), "{want} is not on the page");
        }
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("NaN"));
        assert_eq!(html.matches("role=\"img\"").count(), 2);
        // To be looked at: TRIMTAB_SHOW=folder cargo test --release report
        if let Some(folder) = std::env::var_os("TRIMTAB_SHOW") {
            page().render(Path::new(&folder)).unwrap();
        }
    }

    #[test]
    fn settings_have_the_digits_that_were_written() {
        #[derive(serde::Serialize)]
        struct Sampling {
            temperature: f32,
            rate: f64,
            top_k: Option<u32>,
        }
        let of = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let rows = settings_of(&Sampling { temperature: 0.6, rate: 1e-4, top_k: None });
        assert_eq!(rows, [("temperature", "0.6"), ("rate", "0.0001")].map(of));
    }

    #[test]
    fn figures_without_data_are_drawn_empty() {
        let mut page = page();
        let Part::Figures(pictures) = &mut page.parts[0] else { panic!() };
        for picture in pictures {
            match &mut picture.plot {
                Plot::Scatter(cloud) => cloud.tracks.clear(),
                Plot::Histogram(histogram) => histogram.shapes.clear(),
                Plot::Lines(_) | Plot::Heat(_) => panic!("the page has neither"),
            }
            assert!(png::render(&picture.svg(Look::Fixed), 1.0).is_ok());
        }
    }
}
