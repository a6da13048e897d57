//! The page: one self-contained file that is read offline, on a phone, in the dark, on paper, or aloud.

use std::fmt::Write;

use super::colours::page_css;
use super::svg::escape;
use super::table::{Cell, Table};

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

pub(super) fn figure(title: &str, caption: &str, svg: &str) -> String {
    // Focusable, so that a narrow screen's scrolling also works by keyboard.
    let (title, caption) = (escape(title), escape(caption));
    format!(
        "<figure>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{title}\">\n{svg}</div>\n\
         <figcaption>{caption}</figcaption>\n</figure>\n"
    )
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
