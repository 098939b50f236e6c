//! Colours that colour-blind readers can tell apart, too: Okabe & Ito 2008, *Color Universal Design*.
//!
//! The colour of each class is defined here and nowhere else. Colour never carries information alone:
//! lines have labels, and tables have numbers.

use galmorph_cutout::Morphology;
use plotters::style::RGBColor;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};

/// Okabe and Ito's blue.
pub(crate) const BLUE: RGBColor = RGBColor(0, 114, 178);
/// Okabe and Ito's vermillion.
pub(crate) const VERMILLION: RGBColor = RGBColor(213, 94, 0);
/// Okabe and Ito's bluish green.
pub(crate) const GREEN: RGBColor = RGBColor(0, 158, 115);
/// Okabe and Ito's orange.
pub(crate) const ORANGE: RGBColor = RGBColor(230, 159, 0);
/// Okabe and Ito's reddish purple.
pub(crate) const PURPLE: RGBColor = RGBColor(204, 121, 167);
/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(34, 34, 34);
/// Diagonals and remarks, which should not stand out.
pub(crate) const GREY: RGBColor = RGBColor(110, 110, 110);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(225, 225, 225);

/// The colour of a class.
pub(crate) const fn of_class(class: Morphology) -> RGBColor {
    match class {
        Morphology::Round => VERMILLION,
        Morphology::InBetween => ORANGE,
        Morphology::Cigar => PURPLE,
        Morphology::EdgeOn => GREEN,
        Morphology::Spiral => BLUE,
    }
}

/// A colour as CSS and SVG write it.
pub(crate) fn css(colour: RGBColor) -> String {
    format!("#{:02x}{:02x}{:02x}", colour.0, colour.1, colour.2)
}

/// A colour for a value from 0 to 1, dark to bright (viridis, which keeps its order in grey and for
/// the colour-blind).
pub(crate) fn sequential(value: f32) -> RGBColor {
    ViridisRGB.get_color(value.clamp(0.0, 1.0))
}

/// A colour for a value from -1 to 1: blue below zero, white at it, vermillion above.
pub(crate) fn diverging(value: f32) -> RGBColor {
    let end = if value < 0.0 { BLUE } else { VERMILLION };
    let part = value.abs().min(1.0);
    let mix = |end: u8| (255.0 + (f32::from(end) - 255.0) * part).round() as u8;
    RGBColor(mix(end.0), mix(end.1), mix(end.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_colour_of_its_own() {
        let mut colours: Vec<String> = Morphology::ALL.map(|class| css(of_class(class))).to_vec();
        colours.sort();
        colours.dedup();
        assert_eq!(colours.len(), Morphology::COUNT);
    }

    #[test]
    fn a_diverging_colour_is_white_at_zero_and_never_past_its_ends() {
        assert_eq!(diverging(0.0), RGBColor(255, 255, 255));
        assert_eq!(diverging(-7.0), BLUE);
        assert_eq!(diverging(1.0), VERMILLION);
    }
}
