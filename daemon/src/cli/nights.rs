//! What `galmorph status` says of the last nights: whether they look like another camera's than the training images.

use galmorph_catalog::Night;
use serde::Serialize;

/// The answers of a model in a night. `camera` is a mean rank, 0 to 1.
#[derive(Debug, Serialize)]
pub(super) struct NightStatus {
    night: String,
    model: String,
    galaxies: u64,
    counted: u64,
    camera: Option<f64>,
    other_camera: Option<bool>,
}

impl From<Night> for NightStatus {
    fn from(night: Night) -> Self {
        Self {
            night: night.date,
            model: night.model,
            galaxies: night.galaxies,
            counted: night.counted,
            camera: night.camera,
            other_camera: night.other_camera,
        }
    }
}

/// The nights that look like another camera's; `None` where no night has a verdict.
pub(super) fn in_words(nights: &[NightStatus]) -> Option<String> {
    if nights.iter().all(|night| night.other_camera.is_none()) {
        return None;
    }
    let others = nights
        .iter()
        .filter(|night| night.other_camera == Some(true));
    let others: Vec<String> = others
        .map(|night| {
            let rank = night.camera.unwrap_or_default();
            format!(
                "{} (mean rank {rank:.2} of {} galaxies)",
                night.night, night.counted
            )
        })
        .collect();
    Some(if others.is_empty() {
        "no sign of another one".to_owned()
    } else {
        format!(
            "looks like another one in the night of {}",
            others.join(", ")
        )
    })
}
