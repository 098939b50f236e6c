//! How the surface brightness of a galaxy falls off: the textbook profiles, and nothing of pixels.

use std::f32::consts::{FRAC_PI_2, TAU};

/// A Sersic profile, `I(r) = I_e exp(-b_n ((r / R_e)^(1/n) - 1))` (Sersic 1963, Boletin de la
/// Asociacion Argentina de Astronomia 6, 41). With n = 1 it is an exponential disk, with n = 4 de
/// Vaucouleurs' law of bulges and ellipticals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sersic {
    /// The index n.
    pub(crate) index: f32,
    /// The effective radius `R_e`, which encloses half of the light, in pixels.
    pub(crate) effective_radius: f32,
    /// The brightness `I_e` at the effective radius, in units of the sky noise.
    pub(crate) effective_brightness: f32,
}

impl Sersic {
    /// An exponential disk by its scale length in pixels and its central brightness.
    pub(crate) fn exponential(scale_length: f32, central_brightness: f32) -> Self {
        let b = b_n(1.0);
        Self {
            index: 1.0,
            effective_radius: b * scale_length,
            effective_brightness: central_brightness * (-b).exp(),
        }
    }

    /// The same profile as a function of radius, with the constants worked out once.
    pub(crate) fn brightness(self) -> impl Fn(f32) -> f32 {
        let b = b_n(self.index);
        let power = self.index.recip();
        // Square roots take a fifth of the time of a general power.
        let de_vaucouleurs = (self.index - 4.0).abs() < f32::EPSILON;
        move |radius| {
            let scaled = radius / self.effective_radius;
            let raised = if de_vaucouleurs {
                scaled.sqrt().sqrt()
            } else {
                scaled.powf(power)
            };
            self.effective_brightness * (-b * (raised - 1.0)).exp()
        }
    }
}

/// The constant of Sersic's law that makes `R_e` enclose half of the light: the expansion of Ciotti &
/// Bertin 1999 (A&A 352, 447), equation 18, to better than 1e-4 for n > 0.5.
pub(crate) fn b_n(n: f32) -> f32 {
    2.0 * n - 1.0 / 3.0 + 4.0 / (405.0 * n) + 46.0 / (25_515.0 * n * n)
}

/// A disk seen exactly edge-on, `I(R, z) = I_0 (R/h) K_1(R/h) sech^2(z/z_0)` (van der Kruit & Searle
/// 1981, A&A 95, 105).
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeOnDisk {
    /// The radial scale length h, in pixels.
    pub(crate) scale_length: f32,
    /// The vertical scale `z_0`, in pixels.
    pub(crate) scale_height: f32,
    /// The brightness at the centre, in units of the sky noise.
    pub(crate) central_brightness: f32,
}

impl EdgeOnDisk {
    /// The brightness `along` the disk and `above` its plane, both in pixels from the centre.
    pub(crate) fn brightness(&self, along: f32, above: f32) -> f32 {
        self.central_brightness
            * x_k1(along.abs() / self.scale_length)
            * sech(above / self.scale_height).powi(2)
    }
}

/// The optical depth of the dust layer of an edge-on disk: like the stars' disk, only thinner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DustLane {
    /// The optical depth in r through the centre of the disk.
    pub(crate) depth: f32,
    /// The radial scale length, in pixels.
    pub(crate) scale_length: f32,
    /// The vertical scale, in pixels.
    pub(crate) scale_height: f32,
    /// How far the lane lies above the centre: a disk is never *exactly* edge-on. In pixels.
    pub(crate) offset: f32,
}

impl DustLane {
    /// The fraction of the light that passes, in i, r and g.
    ///
    /// The extinction of SDSS's bands follows Schlafly & Finkbeiner 2011 (Astrophys. J. 737, 103, table 6,
    /// `R_V` = 3.1): 1.698 in i, 2.285 in r, 3.303 in g. A tenth of the light is taken to come
    /// from before the dust.
    pub(crate) fn transmission(&self, along: f32, above: f32) -> [f32; 3] {
        let depth = self.depth
            * (-along.abs() / self.scale_length).exp()
            * sech((above - self.offset) / self.scale_height).powi(2);
        [1.698, 2.285, 3.303].map(|a: f32| 0.1 + 0.9 * (-depth * a / 2.285).exp())
    }
}

/// The arms of a spiral: how much brighter than the disk around them, as a function of place.
///
/// Logarithmic spirals, `r = r_0 exp(theta tan(pitch))`, the form to which real arms are fitted
/// (Kennicutt 1981, AJ 86, 1847), with von Mises' bell across an arm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpiralArms {
    /// How many arms.
    pub(crate) count: f32,
    /// The tangent of the pitch angle; negative winds the other way.
    pub(crate) pitch_tangent: f32,
    /// Where the first arm is at radius `inner`, in radians.
    pub(crate) phase: f32,
    /// How narrow they are: von Mises' concentration.
    pub(crate) concentration: f32,
    /// Where they begin, in pixels.
    pub(crate) inner: f32,
    /// Where they fade, in pixels.
    pub(crate) outer: f32,
    /// How irregular they are: the largest shift of an arm along its azimuth, in radians.
    pub(crate) wander: f32,
    /// How uneven their brightness is along an arm, 0 to 1.
    pub(crate) patchiness: f32,
}

impl SpiralArms {
    /// The strength at a place of the disk's plane: 1 on an arm's ridge, near 0 between two.
    pub(crate) fn strength(&self, radius: f32, azimuth: f32) -> f32 {
        let turns = (radius / self.inner).ln() / self.pitch_tangent;
        let wander = self.wander * (2.7 * turns + azimuth + 3.0 * self.phase).sin();
        let angle = self.count * (azimuth - self.phase - turns + wander);
        let ridge = (self.concentration * (angle.cos() - 1.0)).exp();
        let patches =
            1.0 + self.patchiness * (5.0 * azimuth - 3.1 * turns + 7.0 * self.phase).sin();
        let begins = (radius / self.inner).powi(4);
        let fades = (radius / self.outer).powi(6);
        ridge * patches * begins / (1.0 + begins) / (1.0 + fades)
    }

    /// The azimuth, in radians, of the ridge of arm number `arm` at `radius`; the wander left out.
    pub(crate) fn ridge(&self, arm: f32, radius: f32) -> f32 {
        self.phase + (radius / self.inner).ln() / self.pitch_tangent + TAU * arm / self.count
    }
}

/// Moffat's profile of a star's image, normalised to 1 at the centre, with the exponent 3 that
/// suits SDSS (Moffat 1969, A&A 3, 455). Unlike a Gaussian it has the wings that bright stars show.
pub(crate) fn moffat(radius_squared: f32, full_width: f32) -> f32 {
    // FWHM = 2 alpha sqrt(2^(1/3) - 1).
    let alpha_squared = 0.25 * full_width * full_width / 0.259_921;
    (1.0 + radius_squared / alpha_squared).powi(-3)
}

fn sech(x: f32) -> f32 {
    // Beyond this, cosh leaves f32.
    if x.abs() > 80.0 {
        0.0
    } else {
        x.cosh().recip()
    }
}

/// `x K_1(x)`, `K_1` being the modified Bessel function of the second kind: Abramowitz & Stegun 1964,
/// equations 9.8.3, 9.8.7 and 9.8.8. It is 1 at 0 and falls like `sqrt(pi x / 2) exp(-x)`.
pub(crate) fn x_k1(x: f32) -> f32 {
    if x < 1e-3 {
        return 1.0;
    }
    if x <= 2.0 {
        let t = (x / 3.75).powi(2);
        let i1 = x * polynomial(
            t,
            [
                0.5,
                0.878_905_9,
                0.514_988_7,
                0.150_849_3,
                0.026_587_3,
                0.003_015_3,
                0.000_324_1,
            ],
        );
        let y = (x / 2.0).powi(2);
        let rest = polynomial(
            y,
            [
                1.0,
                0.154_431_4,
                -0.672_785_8,
                -0.181_569,
                -0.019_194,
                -0.001_104,
                -0.000_046_9,
            ],
        );
        return x * (x / 2.0).ln() * i1 + rest;
    }
    let series = polynomial(
        2.0 / x,
        [
            1.253_314_1,
            0.234_986_2,
            -0.036_556_2,
            0.015_042_7,
            -0.007_803_5,
            0.003_256_1,
            -0.000_682_5,
        ],
    );
    x.sqrt() * (-x).exp() * series
}

fn polynomial(x: f32, coefficients: [f32; 7]) -> f32 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// An ellipse's own coordinates: how a place of the image looks from its axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ellipse {
    cosine: f32,
    sine: f32,
    /// Minor over major axis.
    axis_ratio: f32,
}

impl Ellipse {
    /// By its axis ratio and the angle of its major axis, in radians from the image's x axis.
    pub(crate) fn new(axis_ratio: f32, angle: f32) -> Self {
        Self {
            cosine: angle.cos(),
            sine: angle.sin(),
            axis_ratio,
        }
    }

    /// Along the major and the minor axis, in pixels of the image.
    pub(crate) fn along_axes(&self, dx: f32, dy: f32) -> (f32, f32) {
        (
            dx * self.cosine + dy * self.sine,
            dy * self.cosine - dx * self.sine,
        )
    }

    /// The same with the minor axis stretched to the length of the major one: for a round disk seen
    /// at an angle, the coordinates in its plane.
    pub(crate) fn deprojected(&self, dx: f32, dy: f32) -> (f32, f32) {
        let (major, minor) = self.along_axes(dx, dy);
        (major, minor / self.axis_ratio)
    }

    /// From the plane of the disk back to the image.
    pub(crate) fn projected(&self, major: f32, minor: f32) -> (f32, f32) {
        let minor = minor * self.axis_ratio;
        (
            major * self.cosine - minor * self.sine,
            major * self.sine + minor * self.cosine,
        )
    }

    /// The radius of the ellipse through a place, along its major axis. What lies within a third of
    /// a pixel is drawn as if it lay there, since Sersic's cusp is finer than any pixel.
    pub(crate) fn radius(&self, dx: f32, dy: f32) -> f32 {
        let (major, minor) = self.deprojected(dx, dy);
        (major * major + minor * minor + 0.1).sqrt()
    }
}

/// The azimuth of a place in radians, and 0 at the centre.
pub(crate) fn azimuth(x: f32, y: f32) -> f32 {
    if x == 0.0 && y == 0.0 {
        FRAC_PI_2
    } else {
        y.atan2(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the light lies within `R_e`: what `b_n` is for.
    #[test]
    fn the_effective_radius_encloses_half_of_the_light() {
        for index in [1.0, 2.5, 4.0] {
            let sersic = Sersic {
                index,
                effective_radius: 1.0,
                effective_brightness: 1.0,
            };
            let brightness = sersic.brightness();
            // In the variable u = r^(1/n) the integrand is smooth down to the centre.
            let light = |outer: f32| {
                let steps = 20_000;
                let du = outer.powf(1.0 / index) / steps as f32;
                (0..steps)
                    .map(|step| {
                        let u = (step as f32 + 0.5) * du;
                        let r = u.powf(index);
                        f64::from(brightness(r) * r * index * u.powf(index - 1.0) * du)
                    })
                    .sum::<f64>()
            };
            let half = light(1.0) / light(3000.0);
            assert!((half - 0.5).abs() < 2e-3, "n = {index}: {half}");
        }
    }

    #[test]
    fn the_bessel_function_has_its_tabulated_values() {
        // Abramowitz & Stegun 1964, table 9.8: K_1(0.1), K_1(1), K_1(2), K_1(5).
        for (x, k1) in [
            (0.1, 9.853_845),
            (1.0, 0.601_907_2),
            (2.0, 0.139_865_9),
            (5.0, 0.004_044_6),
        ] {
            assert!((x_k1(x) / (x * k1) - 1.0).abs() < 1e-4, "x = {x}");
        }
        assert!((x_k1(0.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_ridge_of_an_arm_is_where_the_arm_is_strongest() {
        let arms = SpiralArms {
            count: 2.0,
            pitch_tangent: 0.3,
            phase: 0.7,
            concentration: 3.0,
            inner: 5.0,
            outer: 1000.0,
            wander: 0.0,
            patchiness: 0.0,
        };
        let on = arms.strength(40.0, arms.ridge(1.0, 40.0));
        let between = arms.strength(40.0, arms.ridge(1.5, 40.0));
        assert!(on > 0.99 && between < 0.01, "{on} {between}");
    }

    #[test]
    fn a_place_survives_the_projection() {
        let ellipse = Ellipse::new(0.4, 1.1);
        let (x, y) = ellipse.deprojected(3.0, -7.0);
        let (x, y) = ellipse.projected(x, y);
        assert!((x - 3.0).abs() < 1e-4 && (y + 7.0).abs() < 1e-4);
    }
}
