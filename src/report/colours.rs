//! Colours by their role, light and dark: those of Okabe and Ito (2008, "Color Universal Design"), which people with any colour
//! vision can tell apart, a little darker where they colour text.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// Whether a figure stands alone or lies within a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Light, on white, with literal colours: files, papers, PNG.
    Fixed,
    /// CSS variables of the surrounding page: light or dark as the page is.
    Page,
}

/// A colour role; what it looks like depends on the [`Look`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Hue {
    Vermillion,
    Blue,
    Green,
    Orange,
    Purple,
    Sky,
    Grey,
    Ink,
    Rung0,
    Rung1,
    Rung2,
    Rung3,
    Rung4,
    Rung5,
    Rung6,
    Rung7,
}

impl Hue {
    /// The colour of step `i` of `n` from little to much, for what has an order.
    pub fn rung(i: usize, n: usize) -> Self {
        const RUNGS: [Hue; 8] =
            [Hue::Rung0, Hue::Rung1, Hue::Rung2, Hue::Rung3, Hue::Rung4, Hue::Rung5, Hue::Rung6, Hue::Rung7];
        RUNGS[(i * (RUNGS.len() - 1)).div_ceil(n.max(2) - 1).min(RUNGS.len() - 1)]
    }
}

/// CSS name, colour on light, colour of text on light, colour on dark.
const HUES: [(&str, &str, &str, &str); 16] = [
    ("vermillion", "#d55e00", "#b34f00", "#ff8a4c"),
    ("blue", "#0072b2", "#0067a1", "#5ab4f0"),
    ("green", "#009e73", "#007d5b", "#38c99a"),
    ("orange", "#e69f00", "#946600", "#f2b84b"),
    ("purple", "#b5528e", "#a0447b", "#e08fc0"),
    ("sky", "#3d9fd6", "#21759f", "#8bd0f7"),
    ("grey", "#7d858d", "#626a72", "#9aa4ae"),
    ("ink", "#1c2127", "#1c2127", "#e8ebee"),
    ("rung-0", "#0d3b8e", "#0d3b8e", "#6f9cf0"),
    ("rung-1", "#4a3fae", "#4a3fae", "#8f8df5"),
    ("rung-2", "#7a3fb0", "#7a3fb0", "#b08cf2"),
    ("rung-3", "#a33b9e", "#98368f", "#cf86dd"),
    ("rung-4", "#c63c80", "#b03270", "#ea86bb"),
    ("rung-5", "#de4f5c", "#bb3c49", "#f68c93"),
    ("rung-6", "#ee6c35", "#b94d1c", "#fb9a66"),
    ("rung-7", "#e8930c", "#946000", "#f7b74b"),
];

/// What is not data: name, on light, on dark.
const NEUTRALS: [(&str, &str, &str); 5] = [
    ("muted", "#5b636b", "#a4adb6"),
    ("rule", "#9aa2aa", "#6b747d"),
    ("grid", "#e4e7ea", "#2c333a"),
    ("paper", "#ffffff", "#14181d"),
    ("on-data", "#1c2127", "#14181d"),
];

/// Anything that can be painted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// Lines, bands and marks.
    Data(Hue),
    /// Text of that hue, with enough contrast to be read.
    Label(Hue),
    /// Secondary text.
    Muted,
    /// Axis lines.
    Rule,
    /// Grid lines.
    Grid,
    /// The background.
    Paper,
    /// Text on a strong colour.
    OnData,
}

impl Paint {
    /// As SVG names it.
    pub(super) fn under(self, look: Look) -> String {
        let (name, suffix, light) = match self {
            Self::Data(hue) => (HUES[hue as usize].0, "", HUES[hue as usize].1),
            Self::Label(hue) => (HUES[hue as usize].0, "-text", HUES[hue as usize].2),
            Self::Muted => (NEUTRALS[0].0, "", NEUTRALS[0].1),
            Self::Rule => (NEUTRALS[1].0, "", NEUTRALS[1].1),
            Self::Grid => (NEUTRALS[2].0, "", NEUTRALS[2].1),
            Self::Paper => (NEUTRALS[3].0, "", NEUTRALS[3].1),
            Self::OnData => (NEUTRALS[4].0, "", NEUTRALS[4].1),
        };
        match look {
            Look::Fixed => light.to_owned(),
            Look::Page => format!("var(--{name}{suffix})"),
        }
    }
}

/// The declarations that [`Look::Page`] relies on, for light or dark surroundings.
pub fn page_css(dark: bool) -> String {
    let mut css = String::new();
    for (name, light, text, on_dark) in HUES {
        let (data, text) = if dark { (on_dark, on_dark) } else { (light, text) };
        let _ = write!(css, "--{name}:{data};--{name}-text:{text};");
    }
    for (name, light, on_dark) in NEUTRALS {
        let _ = write!(css, "--{name}:{};", if dark { on_dark } else { light });
    }
    css
}
