//! A study's page and its files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::page::{Html, Page, Part};
use super::scale::short;
use super::study::{Example, Study, capital};
use super::svg::escape;
use super::table::Table;
use crate::stats::Interval;
use crate::{At, Result};

impl Study {
    /// The study as one page.
    pub fn page(&self) -> Page {
        Page {
            title: self.title.clone(),
            subtitle: self.subtitle.clone(),
            verdict: self.verdict.clone(),
            parts: parts(self),
            settings: self.settings.clone(),
            lock: self.lock.clone(),
            beside: ["results.csv", "results.json"].map(str::to_owned).to_vec(),
        }
    }

    /// Writes `report.html`, `<figure>.png`, `.svg` and `.csv`, a CSV for each grid, `comparisons.csv`, `results.csv` and
    /// `results.json` into a folder, each atomically. Returns their paths, the page first.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn render(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let figures = self.figures.iter().map(|figure| (&figure.file, figure.numbers()));
        let grids = self.grids.iter().map(|grid| (&grid.file, grid.table()));
        let csv = |(file, table): (&String, Table)| (format!("{file}.csv"), table.csv().into_bytes());
        let mut files: Vec<(String, Vec<u8>)> = figures.chain(grids).map(csv).collect();
        if !self.comparisons.is_empty() {
            files.push(("comparisons.csv".to_owned(), self.differences().csv().into_bytes()));
        }
        files.push(("results.csv".to_owned(), self.results().csv().into_bytes()));
        let mut json = serde_json::to_vec_pretty(self).doing("writing the results as JSON")?;
        json.push(b'\n');
        files.push(("results.json".to_owned(), json));
        self.page().render_with(dir, files)
    }

    /// Reads the `results.json` of an earlier [`Self::render`], so that it can be rendered again.
    ///
    /// # Errors
    /// If the file is missing, or another program wrote it.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("results.json");
        let bytes = std::fs::read(&path).at(&path)?;
        serde_json::from_slice(&bytes).at(&path)
    }
}

/// The sections of a study, in the page's order.
fn parts(study: &Study) -> Vec<Part> {
    let mut parts = Vec::new();
    let raw = |title: &str, html: String| Part::Html { title: title.to_owned(), html: Html(html) };
    let titled = |title: &str, caption: &str, table: Table| Part::Table {
        title: title.to_owned(),
        caption: caption.to_owned(),
        table,
    };
    if !study.figures.is_empty() {
        parts.push(Part::Figures(study.figures.clone()));
    }
    if !study.expectations.is_empty() {
        parts.push(raw("Expectations and findings", expectations(study)));
    }
    for (of, study) in study.by_trait() {
        let titled = |title: &str| of.map_or_else(|| title.to_owned(), |of| format!("{of}: {}", lower(title)));
        parts.push(raw(&titled(&format!("All {}s", study.words().0)), table(&study)));
        if !study.comparisons.is_empty() {
            let caption =
                "Differences of means with 95 % intervals, paired by question. One that holds 0 may be chance.";
            let (title, caption) = (titled("Differences"), caption.to_owned());
            parts.push(Part::Table { title, caption, table: study.compared() });
        }
    }
    parts.extend(study.grids.iter().map(|grid| titled(&grid.title, &grid.caption, grid.table())));
    if !study.published.is_empty() {
        let caption = "Another model, other data, another judge: the shape is comparable, a single number hardly.";
        parts.push(titled("Published values", caption, study.beside()));
    }
    if !study.card.is_empty() {
        parts.push(raw("For a model card", format!("<p>{}</p>\n", escape(&study.card))));
    }
    if !study.notes.is_empty() {
        parts.push(Part::Notes(study.notes.iter().map(|note| note.text.clone()).collect()));
    }
    if !study.examples.is_empty() {
        parts.push(raw("Answers", examples(study)));
    }
    parts
}

/// A word with its first letter small.
fn lower(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn expectations(study: &Study) -> String {
    let rows = study.expectations.iter().map(|e| {
        let (class, sign, word) = match e.met {
            Some(true) => ("met", "✓", "met"),
            Some(false) => ("missed", "✗", "not met"),
            None => ("unknown", "?", "unknown"),
        };
        format!(
            "<li class=\"{class}\"><span class=\"sign\" aria-hidden=\"true\">{sign}</span><div><p class=\"claim\">{}</p>\n\
             <p class=\"measured\"><strong>{word}</strong> · {}</p></div></li>\n",
            escape(&e.claim),
            escape(&e.measured)
        )
    });
    format!("<ul class=\"expectations\">\n{}</ul>\n", rows.collect::<String>())
}

fn table(study: &Study) -> String {
    let (trained, (arm, coef)) = (study.is_trained(), study.words());
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table of all {arm}s\">\n<table>\n\
         <caption>Means{} with 95 % intervals, clustered by question.</caption>\n<thead>\n<tr>\
         <th scope=\"col\">{}</th><th scope=\"col\" class=\"number\">{}</th>{}",
        if trained { " over all seeds" } else { "" },
        escape(&capital(arm)),
        escape(&capital(coef)),
        if trained { "<th scope=\"col\" class=\"number\">Seeds</th>" } else { "" },
    );
    for axis in study.shown() {
        let (name, unit) = (escape(&axis.name), escape(&axis.unit));
        let _ = write!(out, "<th scope=\"col\" class=\"number\">{name} <small>({unit})</small></th>");
    }
    out.push_str("</tr>\n</thead>\n");
    for arm in &study.arms {
        let points = study.pooled(&arm.name);
        if points.is_empty() {
            continue;
        }
        out.push_str("<tbody>\n");
        for (i, point) in points.iter().enumerate() {
            out.push_str("<tr>");
            if i == 0 {
                let note =
                    if arm.note.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&arm.note)) };
                let _ = write!(
                    out,
                    "<th scope=\"rowgroup\" rowspan=\"{}\">{}{note}</th>",
                    points.len(),
                    escape(&arm.label)
                );
            }
            let coef = point.coef.map_or_else(|| "–".to_owned(), short);
            let _ = write!(out, "<td class=\"number\">{coef}</td>");
            if trained {
                let _ = write!(out, "<td class=\"number\">{}</td>", point.seeds);
            }
            for axis in study.shown() {
                let _ = write!(out, "<td class=\"number\">{}</td>", value(point.values.get(&axis.key)));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n</div>\n");
    out
}

fn value(interval: Option<&Interval>) -> String {
    match interval {
        Some(i) if i.has_bounds() => {
            format!("{:.1} <small>[{:.1}, {:.1}]</small>", i.mean, i.low, i.high).replace('-', "−")
        }
        Some(i) => i.to_string().replace('-', "−"),
        None => "–".to_owned(),
    }
}

/// A closed drawer for each arm and coefficient, in the arms' order.
fn examples(study: &Study) -> String {
    let mut out = String::new();
    let mut done: Vec<(&str, Option<f64>)> = Vec::new();
    let known = study.arms.iter().map(|a| a.name.as_str());
    let order: Vec<&str> = known.chain(study.examples.iter().map(|e| e.arm.as_str())).collect();
    for name in order {
        for first in study.examples.iter().filter(|e| e.arm == name) {
            if done.contains(&(name, first.coef)) {
                continue;
            }
            done.push((name, first.coef));
            let label = study.arm(name).map_or(name, |a| a.label.as_str());
            let word = escape(study.words().1);
            let coef = first.coef.map_or_else(String::new, |c| format!(" <small>{word} {}</small>", short(c)));
            let _ = write!(out, "<details>\n<summary>{}{coef}</summary>\n", escape(label));
            study
                .examples
                .iter()
                .filter(|e| e.arm == name && e.coef == first.coef)
                .for_each(|e| out += &example(study, e));
            out.push_str("</details>\n");
        }
    }
    out
}

fn example(study: &Study, e: &Example) -> String {
    let axis = study.axis(&e.axis).map_or(e.axis.as_str(), |a| a.name.as_str());
    let score = e.score.map_or_else(|| "no score".to_owned(), short);
    let mut out = format!(
        "<article class=\"example\">\n<p class=\"score\">{}: <strong>{}</strong></p>\n<dl>\n<dt>Question</dt><dd>{}</dd>\n\
         <dt>Answer</dt><dd>{}</dd>\n",
        escape(axis),
        escape(&score),
        escape(&e.question),
        escape(&e.answer)
    );
    for (term, text) in [("Right answer", e.reference.as_deref().unwrap_or("")), ("Judge", e.why.as_str())] {
        if !text.is_empty() {
            let _ = writeln!(out, "<dt>{term}</dt><dd>{}</dd>", escape(text));
        }
    }
    out + "</dl>\n</article>\n"
}
