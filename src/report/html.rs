//! The page: one self-contained file that is read offline, on a phone, in the dark, on paper, or aloud.

use std::fmt::Write;

use super::page::{Html, Part};
use super::scale::short;
use super::study::{Example, Study, capital};
use super::svg::{escape, page_css};
use super::table::{Cell, Table};
use crate::stats::Interval;

const STYLE: &str = include_str!("../../assets/report.css");

/// Nothing may be loaded from anywhere, whatever an answer contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// A document around the sections of a page; `footer` is HTML.
pub(super) fn document(title: &str, subtitle: &str, body: &str, footer: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title}</title>\n<style>\n:root{{{light}}}\n\
         @media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p class=\"subtitle\">{subtitle}</p>\n</header>\n<main>\n\
         {body}</main>\n<footer>\n<p>Made by Trimtab. {footer}</p>\n</footer>\n</body>\n</html>\n",
        title = escape(title),
        subtitle = escape(subtitle),
        light = page_css(false),
        dark = page_css(true),
    )
}

/// The sections of a study, in the page's order.
pub(super) fn parts(study: &Study) -> Vec<Part> {
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
    parts.push(raw(&format!("All {}s", study.words().0), table(study)));
    if !study.comparisons.is_empty() {
        let caption = "Differences of means with 95 % intervals, paired by question. One that holds 0 may be chance.";
        parts.push(titled("Differences", caption, study.compared()));
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

/// How it was made and what went in.
pub(super) fn made(settings: &[(String, String)], lock: &[(String, String)]) -> String {
    match [pairs("Settings", settings), pairs("What went in", lock)].concat() {
        none if none.is_empty() => none,
        made => section("How it was made", &made),
    }
}

pub(super) fn section(title: &str, body: &str) -> String {
    let id: String =
        title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n{body}</section>\n", escape(title))
}

pub(super) fn figure(caption: &str, svg: &str) -> String {
    // Focusable, so that a narrow screen's scrolling also works by keyboard.
    let caption = escape(caption);
    format!(
        "<figure>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Figure\">\n{svg}</div>\n\
         <figcaption>{caption}</figcaption>\n</figure>\n"
    )
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

/// A table under a caption.
pub(super) fn table_html(title: &str, caption: &str, table: &Table) -> String {
    let (label, caption) = (escape(title), escape(caption));
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{label}\">\n<table>\n<caption>{caption}</caption>\n<thead>\n<tr>"
    );
    let class = |i: usize| {
        let text = table.rows.iter().any(|row| matches!(row[i], Cell::Text(_)));
        if text { "" } else { " class=\"number\"" }
    };
    for (i, column) in table.columns.iter().enumerate() {
        let _ = write!(out, "<th scope=\"col\"{}>{}</th>", class(i), escape(column));
    }
    out.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let shown = match cell {
                Cell::Text(text) => escape(text),
                number => number.shown().replace('-', "−"),
            };
            let _ = write!(out, "<td{}>{shown}</td>", class(i));
        }
        out.push_str("</tr>\n");
    }
    out + "</tbody>\n</table>\n</div>\n"
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

fn pairs(title: &str, pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let row = |(name, value): &(String, String)| {
        format!("<tr><th scope=\"row\">{}</th><td><code>{}</code></td></tr>\n", escape(name), escape(value))
    };
    let rows: String = pairs.iter().map(row).collect();
    format!(
        "<details open>\n<summary>{title}</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{title}\">\n\
         <table class=\"pairs\">\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n</details>\n"
    )
}
