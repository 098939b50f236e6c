//! Why this class: what the answer depends on.

use std::sync::Arc;

use galmorph_cutout::{Covered, OcclusionMap};
use maud::{Markup, html};

use super::parts::{class_name, probability};
use super::{Frame, Galaxy};
use crate::why::{Map, NoMap};

/// A smaller fall of the probability is none: as in `galmorph-train visualise why`.
const NO_FALL: f32 = 0.0005;

/// What is said of why a galaxy has its class.
pub(crate) enum Explanation {
    /// A map can be asked for.
    Offered,
    /// There is none.
    No(NoMap),
    /// It is there.
    Map(Arc<Map>),
}

pub(super) fn explanation(frame: &Frame, galaxy: &Galaxy, why: &Explanation) -> Markup {
    html! {
        section #why {
            h2 { "Why this class?" }
            @match why {
                Explanation::Offered => p {
                    a .button rel="nofollow" href={ (frame.base) "/galaxy/" (galaxy.row.id) "/why#why" } {
                        "Show what the answer depends on"
                    }
                },
                Explanation::No(why) => p { "No map: " (why) },
                Explanation::Map(map) => (drawn(frame, galaxy, &map.occlusion)),
            }
        }
    }
}

fn drawn(frame: &Frame, galaxy: &Galaxy, map: &OcclusionMap) -> Markup {
    let (base, id, object) = (frame.base, galaxy.row.id, galaxy.object());
    let class = class_name(map.answer.label());
    let most = map.most();
    let colour = |change| {
        let [red, green, blue] = OcclusionMap::colour(change);
        format!("#{red:02x}{green:02x}{blue:02x}")
    };
    let swatch = |change| {
        html! {
            svg .swatch viewBox="0 0 10 10" aria-hidden="true" {
                rect width="10" height="10" fill=(colour(change)) {}
            }
        }
    };
    let range = format!("{:.0}", 100.0 * map.range());
    html! {
        div .pair {
            div .stack {
                img src={ (base) "/galaxy/" (id) "/why/view" } width=(map.side) height=(map.side)
                    alt={ "What the network saw of " (object) };
            }
            div .stack {
                img src={ (base) "/galaxy/" (id) "/why/map" } width=(map.side) height=(map.side)
                    alt={ "Occlusion map of " (object) ". " (said(map)) };
                @if most.fall >= NO_FALL {
                    svg .overlay viewBox={ "0 0 " (map.side) " " (map.side) } aria-hidden="true" {
                        rect .patch x=(most.left) y=(most.top) width=(map.patch) height=(map.patch) {}
                    }
                }
            }
        }
        p {
            "Covered by a grey square, the places in " (swatch(1.0)) " orange lower the probability of " b { (class) }
            ", and those in " (swatch(-1.0)) " blue raise it."
        }
        p { (said(map)) }
        p .muted {
            "Full colour is " (range) " points. The map says on which single places the answer depends, not why, and looks no \
             different for a wrong answer."
        }
    }
}

/// The answer, and the square that it misses most.
fn said(map: &OcclusionMap) -> String {
    let most = map.most();
    let class = class_name(map.answer.label());
    let now = map.answer.confidence();
    let answer = format!(
        "The answer is {class}, with probability {}.",
        probability(f64::from(now))
    );
    if most.fall < NO_FALL {
        return format!("{answer} It stays as sure wherever a single square is covered.");
    }
    format!(
        "{answer} The square that matters most lies {}: with it covered, the probability is {}.",
        place(map, most),
        probability(f64::from((now - most.fall).max(0.0)))
    )
}

/// Where a patch lies, in words: seen from the centre of the view, where the galaxy is.
fn place(map: &OcclusionMap, patch: Covered) -> &'static str {
    // Twice the way from the centre of the view to that of the patch.
    let way = |first: u32| i64::from(2 * first + map.patch) - i64::from(map.side);
    let (right, down) = (way(patch.left), way(patch.top));
    let [along, across] = [right, down].map(i64::abs);
    if along.max(across) <= i64::from(map.patch) {
        return "at the centre";
    }
    // One of eight directions: straight ones within 22.5 degrees, of which the tangent is about 2 / 5.
    let is_level = 5 * across < 2 * along;
    let is_upright = 5 * along < 2 * across;
    match (down < 0, right < 0) {
        (_, true) if is_level => "to the left of the centre",
        (_, false) if is_level => "to the right of the centre",
        (true, _) if is_upright => "above the centre",
        (false, _) if is_upright => "below the centre",
        (true, true) => "to the upper left of the centre",
        (true, false) => "to the upper right of the centre",
        (false, true) => "to the lower left of the centre",
        (false, false) => "to the lower right of the centre",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galmorph_cutout::Probabilities;

    /// A map of nine patches, of which one lowers the probability by this much.
    fn map(most: usize, fall: f32) -> OcclusionMap {
        let mut falls = vec![-0.1; 9];
        falls[most] = fall;
        OcclusionMap {
            answer: Probabilities::from_values([0.05, 0.05, 0.05, 0.05, 0.8]),
            side: 12,
            patch: 4,
            corners: vec![0, 4, 8],
            falls,
        }
    }

    #[test]
    fn the_text_says_where_the_square_lies_that_matters_most() {
        for (most, place) in [
            (0, "to the upper left of the centre"),
            (1, "above the centre"),
            (2, "to the upper right of the centre"),
            (3, "to the left of the centre"),
            (4, "at the centre"),
            (5, "to the right of the centre"),
            (7, "below the centre"),
            (8, "to the lower right of the centre"),
        ] {
            assert_eq!(
                said(&map(most, 0.3)),
                format!(
                    "The answer is spiral, with probability 0.80. The square that matters most lies {place}: with it \
                     covered, the probability is 0.50."
                )
            );
        }
    }

    #[test]
    fn an_answer_that_no_square_lowers_has_none_that_matters() {
        assert!(said(&map(4, -0.05)).ends_with("wherever a single square is covered."));
    }
}
