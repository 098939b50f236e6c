//! Which settings the findings suggest.

use serde::Serialize;

use super::found::Findings;

/// How many images of a size must be measured before their sizes say anything.
const ENOUGH: usize = 20;

/// How much the measurement of galaxies differs that are of one size: the standard deviation of the logarithm to the base
/// 10. Of Galaxy Zoo's own frames it is 0.1.
const OWN_SCATTER: f64 = 0.13;

/// From which part of the images on something is said of them all.
const MANY: f64 = 0.2;

/// A setting, if there is one that helps, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Advice {
    pub(super) setting: Option<String>,
    pub(super) reason: String,
}

fn advice(setting: &str, reason: &str) -> Advice {
    Advice {
        setting: Some(setting.to_owned()),
        reason: reason.to_owned(),
    }
}

fn warning(reason: &str) -> Advice {
    Advice {
        setting: None,
        reason: reason.to_owned(),
    }
}

pub(super) fn advise(found: &Findings) -> Vec<Advice> {
    let images: usize = found.sizes.values().sum();
    let mut all = Vec::new();
    if found.files == 0 {
        let other = "there is no image file in it (extensions decides which files are taken)";
        return vec![warning(other)];
    }
    if images == 0 {
        return all;
    }
    all.extend(framing(found));
    let share = |name: &str| {
        let raised = found.flags.get(name);
        raised.map_or(0, |raised| raised.images) as f64 / images as f64
    };
    if share("inverted") > MANY {
        all.push(warning(
            "many images are negatives: the network needs a dark sky",
        ));
    }
    if share("swapped_bands") > MANY {
        all.push(warning(
            "many objects are bluer than galaxies are: red and blue may be exchanged",
        ));
    }
    if share("saturated") > MANY {
        all.push(warning(
            "many objects are cut off at white: a softer stretch shows more of them",
        ));
    }
    if found.colours.grey as f64 > MANY * images as f64 {
        all.push(warning(
            "many images are grey: the network was trained on colours, and is right a little less often",
        ));
    }
    if share("unmeasured_size") > MANY {
        all.push(warning(
            "many sizes can't be measured: say framing = \"frame\", or give radius and pixel_scale",
        ));
    }
    all
}

/// What the sizes of the galaxies say.
fn framing(found: &Findings) -> Option<Advice> {
    let measured = &found.measured;
    let part = measured.part_of_image?;
    if measured.images < ENOUGH {
        return Some(warning(
            "too few sizes were measured to say anything of the framing",
        ));
    }
    let is_scaled = measured.scatter() < OWN_SCATTER;
    let is_paper = found.sizes.keys().all(|size| *size == (424, 424));
    let is_whole = (0.8..1.25).contains(&part.median);
    Some(match (is_scaled, is_whole, is_paper) {
        (true, true, true) => advice(
            "framing = \"auto\"",
            "these are framed as Galaxy Zoo's cutouts are",
        ),
        (true, true, false) => advice(
            "framing = \"frame\"",
            "the images show what Galaxy Zoo's cutouts show, in another number of pixels",
        ),
        (_, _, true) => advice(
            "framing = \"measured\"",
            "the images have Galaxy Zoo's number of pixels, and their galaxies another size",
        ),
        _ => advice(
            "framing = \"auto\"",
            "the galaxies have different sizes in their images, so each is measured",
        ),
    })
}
