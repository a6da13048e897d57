//! A small SVG writer: marks, lines, text and two looks, one fixed and one that follows the page.
//!
//! Numbers are rounded to hundredths of a pixel, so the same rows give the same bytes. A shape goes with each colour, since colour
//! alone must never carry the meaning.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::colours::{Hue, Look, Paint};

/// The shape of a data point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Mark {
    Circle,
    Square,
    Triangle,
    Diamond,
    Down,
    Ring,
    Cross,
    Plus,
}

/// Marks in the order of taking them.
pub const MARKS: [Mark; 8] =
    [Mark::Circle, Mark::Square, Mark::Triangle, Mark::Diamond, Mark::Down, Mark::Ring, Mark::Cross, Mark::Plus];

impl Mark {
    /// The shape of the i-th of several that lie in one plot; they repeat after eight.
    pub fn nth(i: usize) -> Self {
        MARKS[i % MARKS.len()]
    }
}

/// Where text hangs on its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a piece of text is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    pub size: f64,
    pub bold: bool,
    pub paint: Paint,
    pub anchor: Anchor,
}

impl Type {
    pub(super) fn new(size: f64, paint: Paint) -> Self {
        Self { size, bold: false, paint, anchor: Anchor::Start }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    /// Width of a text so set, in pixels.
    pub(super) fn width(self, text: &str) -> f64 {
        FALLBACK * text_width(text, self.size, self.bold)
    }

    /// The text, cut short with an ellipsis if it is wider than `room`.
    pub(super) fn fit(self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let cut = |n: usize| text.chars().take(n).collect::<String>().trim_end().to_owned() + "…";
        let fits = (0..text.chars().count()).rev().map(cut).find(|t| self.width(t) <= room);
        fits.unwrap_or_else(|| "…".to_owned())
    }
}

/// A figure in the making. Coordinates are pixels, y downwards.
pub(super) struct Canvas {
    look: Look,
    body: String,
}

impl Canvas {
    pub(super) fn new(look: Look) -> Self {
        Self { look, body: String::new() }
    }

    fn paint(&self, paint: Paint) -> String {
        paint.under(self.look)
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), paint: Paint, width: f64, dash: &str) {
        let paint = self.paint(paint);
        let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
        let (x1, y1, x2, y2) = (Px(from.0), Px(from.1), Px(to.0), Px(to.1));
        let _ = writeln!(
            self.body,
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{paint}" stroke-width="{width}"{dash}/>"#
        );
    }

    /// A thin line that stays behind what it belongs to.
    pub(super) fn line_faint(&mut self, from: (f64, f64), to: (f64, f64), paint: Paint) {
        let paint = self.paint(paint);
        let d = path(&[from, to], false);
        let _ = writeln!(self.body, r#"<path d="{d}" stroke="{paint}" stroke-width="1.2" stroke-opacity="0.45"/>"#);
    }

    /// A dashed line, cut off where it leaves the heights `within`.
    pub(super) fn line_within(&mut self, [a, b]: [(f64, f64); 2], within: (f64, f64), paint: Paint) {
        let (top, bottom) = within;
        let cut = |from: (f64, f64), to: (f64, f64)| {
            let y = from.1.clamp(top, bottom);
            let share = if to.1 == from.1 { 0.0 } else { (y - from.1) / (to.1 - from.1) };
            (from.0 + share * (to.0 - from.0), y)
        };
        let outside = |(low, high): (f64, f64)| high < top || low > bottom;
        if !outside((a.1.min(b.1), a.1.max(b.1))) {
            self.line(cut(a, b), cut(b, a), paint, 1.5, "5 4");
        }
    }

    pub(super) fn polyline(&mut self, points: &[(f64, f64)], paint: Paint, width: f64) {
        let paint = self.paint(paint);
        let _ = writeln!(
            self.body,
            r#"<path d="{}" fill="none" stroke="{paint}" stroke-width="{width}" stroke-linejoin="round" stroke-linecap="round"/>"#,
            path(points, false)
        );
    }

    pub(super) fn area(&mut self, points: &[(f64, f64)], paint: Paint, opacity: f64) {
        let paint = self.paint(paint);
        let _ = writeln!(self.body, r#"<path d="{}" fill="{paint}" fill-opacity="{opacity}"/>"#, path(points, true));
    }

    /// A data point with a thin edge of background, so that points on top of each other stay apart.
    pub(super) fn mark(&mut self, mark: Mark, (x, y): (f64, f64), r: f64, hue: Hue) {
        let (fill, paper) = (self.paint(Paint::Data(hue)), self.paint(Paint::Paper));
        let filled = format!(r#"fill="{fill}" stroke="{paper}" stroke-width="1.2""#);
        let corners = |points: &[(f64, f64)]| {
            let points: Vec<_> = points.iter().map(|(dx, dy)| (x + dx * r, y + dy * r)).collect();
            format!(r#"<path d="{}" {filled} stroke-linejoin="round"/>"#, path(&points, true))
        };
        let shape = match mark {
            Mark::Circle => format!(r#"<circle cx="{}" cy="{}" r="{}" {filled}/>"#, Px(x), Px(y), Px(r)),
            Mark::Square => corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Mark::Triangle => corners(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
            Mark::Down => corners(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
            Mark::Diamond => corners(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
            Mark::Ring => format!(
                r#"<circle cx="{}" cy="{}" r="{}" fill="{paper}" stroke="{fill}" stroke-width="2"/>"#,
                Px(x),
                Px(y),
                Px(r * 0.9)
            ),
            Mark::Cross => {
                let r = r * 0.8;
                let (l, t, right, b) = (Px(x - r), Px(y - r), Px(x + r), Px(y + r));
                format!(
                    r#"<path d="M{l} {t}L{right} {b}M{l} {b}L{right} {t}" stroke="{fill}" stroke-width="2.2" stroke-linecap="round"/>"#
                )
            }
            Mark::Plus => {
                let (l, t, right, b) = (Px(x - r), Px(y - r), Px(x + r), Px(y + r));
                let (x, y) = (Px(x), Px(y));
                format!(
                    r#"<path d="M{l} {y}L{right} {y}M{x} {t}L{x} {b}" stroke="{fill}" stroke-width="2.2" stroke-linecap="round"/>"#
                )
            }
        };
        self.body.push_str(&shape);
        self.body.push('\n');
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), set: Type, text: &str) {
        self.text_with(x, y, set, text, "");
    }

    /// Text that reads upwards, its anchor at the point.
    pub(super) fn text_up(&mut self, (x, y): (f64, f64), set: Type, text: &str) {
        self.text_with(x, y, set, text, &format!(r#" transform="rotate(-90 {} {})""#, Px(x), Px(y)));
    }

    /// Text with a wide edge of background, readable across lines.
    pub(super) fn text_clear(&mut self, (x, y): (f64, f64), set: Type, text: &str) {
        let paper = self.paint(Paint::Paper);
        let edge = format!(r#" stroke="{paper}" stroke-width="3" stroke-linejoin="round""#);
        // The edge as a text of its own beneath: `paint-order` is not drawn by every program.
        self.text_with(x, y, Type { paint: Paint::Paper, ..set }, text, &format!(r#"{edge} aria-hidden="true""#));
        self.text_with(x, y, set, text, "");
    }

    fn text_with(&mut self, x: f64, y: f64, set: Type, text: &str, more: &str) {
        let paint = self.paint(set.paint);
        let weight = if set.bold { r#" font-weight="600""# } else { "" };
        let anchor = match set.anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (x, y, size) = (Px(x), Px(y), Px(set.size));
        let _ = writeln!(
            self.body,
            r#"<text x="{x}" y="{y}" font-size="{size}" fill="{paint}"{weight}{anchor}{more}>{}</text>"#,
            escape(text)
        );
    }

    /// The finished document. `title` and `alt` are read aloud in place of the picture.
    pub(super) fn finish(self, width: f64, height: f64, title: &str, alt: &str) -> String {
        let (w, h) = (Px(width), Px(height));
        let paper = match self.look {
            Look::Fixed => format!("<rect width=\"{w}\" height=\"{h}\" fill=\"{}\"/>\n", self.paint(Paint::Paper)),
            Look::Page => String::new(),
        };
        // A page scales the figure to its column; a file has its size.
        let size = match self.look {
            Look::Fixed => format!(r#" width="{w}" height="{h}""#),
            Look::Page => String::new(),
        };
        let (label, title, alt) = (escape(&format!("{title}. {alt}")), escape(title), escape(alt));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\"{size} role=\"img\" aria-label=\"{label}\" \
             font-family=\"Inter, Helvetica, Arial, sans-serif\">\n<title>{title}</title>\n<desc>{alt}</desc>\n{paper}{}</svg>\n",
            self.body
        )
    }
}

/// A length as SVG writes it: at most two decimals, no trailing zeros, no negative zero.
struct Px(f64);

impl std::fmt::Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        assert!(self.0.is_finite(), "a coordinate of a figure is not a number");
        let hundredths = (self.0 * 100.0).round();
        write!(f, "{}", if hundredths == 0.0 { 0.0 } else { hundredths / 100.0 })
    }
}

fn path(points: &[(f64, f64)], closed: bool) -> String {
    let mut d = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let _ = write!(d, "{}{} {}", if i == 0 { 'M' } else { 'L' }, Px(x), Px(y));
    }
    if closed {
        d.push('Z');
    }
    d
}

/// Makes text safe within XML and HTML, attributes included; characters that XML cannot hold become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// Advance widths of ASCII from the space on, in thousandths of the size: Inter Regular, then Semi Bold.
#[rustfmt::skip]
const WIDTHS: [[u16; 95]; 2] = [
    [281, 278, 403, 631, 638, 812, 639, 222, 362, 362, 500, 659, 280, 460, 276, 357, 625, 464, 605, 636, 642, 608, 624, 571,
     616, 624, 276, 280, 659, 659, 659, 507, 936, 676, 651, 727, 719, 598, 587, 743, 740, 264, 543, 652, 562, 889, 753, 761,
     635, 761, 639, 638, 642, 741, 676, 949, 642, 665, 625, 362, 357, 362, 469, 452, 497, 564, 621, 558, 621, 582, 361, 609,
     591, 237, 237, 544, 237, 869, 585, 597, 609, 609, 372, 523, 364, 581, 557, 812, 540, 557, 541, 362, 327, 362, 659],
    [248, 309, 396, 643, 649, 844, 663, 213, 393, 393, 543, 673, 295, 466, 290, 379, 667, 481, 621, 652, 666, 632, 648, 587,
     646, 648, 290, 295, 673, 673, 673, 544, 999, 724, 657, 744, 724, 608, 586, 755, 744, 275, 561, 677, 566, 906, 741, 775,
     643, 776, 651, 649, 660, 734, 724, 1007, 690, 705, 653, 393, 379, 393, 481, 468, 497, 575, 630, 577, 630, 593, 377, 625,
     613, 261, 261, 569, 261, 898, 610, 608, 625, 625, 397, 549, 380, 608, 576, 837, 562, 576, 562, 393, 358, 393, 673],
];

/// By how much the widest usual font in Inter's place is wider: DejaVu Sans, on most Linux machines without it.
const FALLBACK: f64 = 1.15;

/// Width of a text in Inter, in pixels; what is beyond ASCII counts as a wide letter.
pub(super) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    let widths = &WIDTHS[usize::from(bold)];
    let of = |c: char| (c as usize).checked_sub(32).and_then(|i| widths.get(i)).copied().unwrap_or(680);
    text.chars().map(|c| f64::from(of(c))).sum::<f64>() * size / 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::colours::page_css;
    use super::*;

    #[test]
    fn text_is_made_safe() {
        assert_eq!(escape("<b a=\"'\">&\u{0}\u{1b}[1m é"), "&lt;b a=&quot;&#39;&quot;&gt;&amp;\u{fffd}\u{fffd}[1m é");
    }

    #[test]
    fn a_long_name_is_cut_where_its_room_ends() {
        let set = Type::new(12.0, Paint::Muted);
        assert_eq!(set.fit("Base model", 200.0), "Base model");
        let cut = set.fit("Preventative steering at every layer", 120.0);
        assert!(cut.starts_with("Preventative s") && cut.ends_with('…') && set.width(&cut) <= 120.0, "{cut}");
        assert_eq!(set.fit("abc", 1.0), "…");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([Px(1.0), Px(-0.001), Px(0.126), Px(-2.5)].map(|p| p.to_string()), ["1", "0", "0.13", "-2.5"]);
    }

    #[test]
    fn a_fixed_figure_names_no_variable_and_a_page_figure_no_colour() {
        let draw = |look| {
            let mut c = Canvas::new(look);
            c.mark(Mark::Ring, (5.0, 5.0), 4.0, Hue::Blue);
            c.text_clear((1.0, 1.0), Type::new(12.0, Paint::Label(Hue::Orange)).bold(), "a < b");
            c.finish(10.0, 10.0, "t", "alt")
        };
        assert!(!draw(Look::Fixed).contains("var("));
        assert!(!draw(Look::Page).contains('#') && page_css(true).contains("--orange-text:#"));
    }
}
