//! SVG to PNG, with fonts of our own: a bare machine has none.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::{At, Error, Result};

const REGULAR: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular.otf");
const SEMI_BOLD: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold.otf");

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(SEMI_BOLD.to_vec());
    Arc::new(fonts)
});

/// Renders an SVG at `scale` device pixels per unit. Only the embedded fonts are used, so every machine draws the same.
///
/// # Errors
/// If the SVG cannot be parsed or has no area.
pub fn render(svg: &str, scale: f32) -> Result<Vec<u8>> {
    let tree = parse(svg)?;
    let size = tree.size().to_int_size().scale_by(scale).ok_or_else(|| Error::new("a figure without area"))?;
    let mut pixmap = Pixmap::new(size.width(), size.height()).ok_or_else(|| Error::new("a figure without area"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|e| Error::new(format!("cannot encode a PNG: {e}")))
}

fn parse(svg: &str) -> Result<Tree> {
    let options = Options { font_family: "Inter".to_owned(), fontdb: FONTS.clone(), ..Options::default() };
    Tree::from_str(svg, &options).doing("reading a figure's SVG")
}

#[cfg(test)]
mod tests {
    use super::super::svg::text_width;
    use super::*;

    fn drawn_width(text: &str, weight: u32) -> f64 {
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="900" height="50"><text x="0" y="30" font-size="20" font-family="Inter, sans-serif" font-weight="{weight}">{text}</text></svg>"#
        );
        f64::from(parse(&svg).unwrap().root().abs_bounding_box().width())
    }

    #[test]
    fn the_embedded_fonts_are_found_and_are_as_wide_as_the_layout_believes() {
        let regular = drawn_width("Hallucination score 0.25", 400);
        let bold = drawn_width("Hallucination score 0.25", 600);
        assert!((regular / text_width("Hallucination score 0.25", 20.0, false) - 1.0).abs() < 0.03, "{regular}");
        assert!((bold / text_width("Hallucination score 0.25", 20.0, true) - 1.0).abs() < 0.03, "{bold}");
        assert!(bold > regular * 1.01);
    }

    #[test]
    fn every_symbol_of_the_figures_has_a_glyph() {
        let fonts = &*FONTS;
        for face in fonts.faces() {
            let has = fonts.with_face_data(face.id, |data, _| data.len()).unwrap();
            assert!(has < 40_000, "a subset, not the whole family");
        }
        for symbol in "α−×±≤≥·→–“é…".chars() {
            assert!(drawn_width(&symbol.to_string(), 400) > 1.0, "{symbol}");
        }
    }

    #[test]
    fn a_broken_figure_is_an_error() {
        assert!(render("<svg", 2.0).is_err());
    }
}
