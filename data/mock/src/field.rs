//! A galaxy in its field: neighbours, seeing, noise.

use std::f32::consts::{PI, TAU};

use rand::Rng;

use crate::Mock;
use crate::canvas::Canvas;
use crate::colour::Colour;
use crate::galaxy::{Scene, Spheroid};
use crate::profile::{Ellipse, Sersic, moffat};

/// How far from the centre a neighbour must lie, in pixels of a cutout of [`Mock::SIDE`]: outside of
/// the galaxy that the cutout is of.
const CLEARANCE: f32 = 85.0;

/// Exposes the scene: light, seeing and noise, on the camera's pixels.
pub(crate) fn expose(scene: &Scene, rng: &mut impl Rng) -> Canvas {
    let zoom = scene.zoom;
    let mut canvas = Canvas::new((Mock::SIDE as f32 / zoom).round() as usize);
    let middle = (canvas.side() - 1.0) / 2.0;
    // A galaxy's catalogued position is good to a pixel or so.
    let centre = [(); 2].map(|()| middle + rng.random_range(-0.7..0.7));
    let centre = (centre[0], centre[1]);

    scene.galaxy.add_to(&mut canvas, centre, zoom);
    for _ in 0..rng.random_range(0..4) {
        let (place, galaxy) = (neighbouring_place(middle, zoom, rng), small_galaxy(rng));
        galaxy.add_to(&mut canvas, place, zoom);
    }
    canvas.blur(scene.seeing);
    // The wider the field, the more stars are in it.
    let stars = (rng.random_range(0.5..3.5) * zoom).round() as usize;
    for _ in 0..stars {
        add_star(
            &mut canvas,
            neighbouring_place(middle, zoom, rng),
            scene.seeing,
            rng,
        );
    }
    canvas.expose(rng);
    canvas
}

/// A place in the field outside of the galaxy, in camera pixels.
fn neighbouring_place(middle: f32, zoom: f32, rng: &mut impl Rng) -> (f32, f32) {
    let clearance = CLEARANCE / zoom;
    loop {
        let dx = rng.random_range(-middle..middle);
        let dy = rng.random_range(-middle..middle);
        if dx.hypot(dy) > clearance {
            return (middle + dx, middle + dy);
        }
    }
}

fn small_galaxy(rng: &mut impl Rng) -> Spheroid {
    let axis_ratio = rng.random_range(0.3..1.0);
    Spheroid {
        profile: Sersic {
            index: 1.0,
            effective_radius: rng.random_range(2.5..7.0),
            effective_brightness: rng.random_range(3.0..25.0),
        },
        shape: Ellipse::new(axis_ratio, rng.random_range(0.0..PI)),
        colour: Colour::of_galaxy(rng.random_range(0.2..1.2)),
    }
}

fn add_star(canvas: &mut Canvas, place: (f32, f32), seeing: f32, rng: &mut impl Rng) {
    // Euclidean counts, N(>f) ~ f^-1.5, would make most of them too faint to see; the counts of
    // stars within the Galaxy are flatter.
    let uniform: f32 = rng.random_range(0.006..1.0);
    let peak = 15.0 / uniform;
    let g_r = rng.random_range(0.2..1.45);
    let excess = if g_r > 1.3 {
        rng.random_range(0.1..0.9)
    } else {
        0.0
    };
    // Out to where a Moffat profile is below a tenth of the noise.
    let reach = seeing * (10.0 * peak).powf(1.0 / 6.0);
    let angle = rng.random_range(0.0..TAU);
    // No telescope's image is quite round.
    let shape = Ellipse::new(rng.random_range(0.92..1.0), angle);
    canvas.add_uniform(place, reach, Colour::of_star(g_r, excess), |dx, dy| {
        let (major, minor) = shape.deprojected(dx, dy);
        peak * moffat(major * major + minor * minor, seeing)
    });
}
