//! Whether the last nights look like another camera's than the training images.

use galmorph_catalog::Night;
use galmorph_output::visible;
use maud::{Markup, html};

use super::parts::number;

/// The last nights, the newest first; nothing if the models of none of them say how far images lie from the training images.
pub(super) fn nights(nights: &[Night]) -> Markup {
    if nights.iter().all(|night| night.camera.is_none()) {
        return html! {};
    }
    html! {
        section {
            h2 { "Nights" }
            div .scroll tabindex="0" role="region" aria-label="Camera by night" {
                table .list {
                    thead { tr {
                        th scope="col" { "Night" } th scope="col" { "Model" } th scope="col" .num { "galaxies" }
                        th scope="col" .num { "mean rank" } th scope="col" { "camera" }
                    } }
                    tbody { @for night in nights { tr {
                        th scope="row" { (night.date) }
                        td { (visible(&night.model)) }
                        td .num { (number(night.galaxies)) }
                        td .num { @if let Some(rank) = night.camera { (format!("{rank:.2}")) } }
                        td { (verdict(night)) }
                    } } }
                }
            }
            p .muted { "Mean rank: how far the sure answers lie from what the training images span, about 0.5 for images like these, and "
                "near 1 for another stretch, bands in another order, or much worse seeing. A night lasts from noon to noon, UTC." }
        }
    }
}

fn verdict(night: &Night) -> Markup {
    match night.other_camera {
        Some(true) => html! { b .warn { "looks like another one" } },
        Some(false) => html! { "no sign of another one" },
        None => html! { span .muted { "can't be said" } },
    }
}
