//! From brightness in three bands to the colours of an SDSS cutout.

/// The softening Q of Lupton's stretch: how soon it turns from linear to logarithmic.
const SOFTENING: f32 = 8.0;

/// The stretch alpha of Lupton's stretch, for brightness in units of the sky noise: the noise then
/// comes out a few grey levels wide, as in SDSS's own colour images.
pub(crate) const STRETCH: f32 = 0.03;

/// The weights of i, r and g in the display, relative to r. Chosen by us so that ellipticals come out
/// the gold, and disks the near white, that they have in SDSS's own colour images.
const WEIGHTS: [f32; 3] = [0.88, 1.0, 1.37];

/// The colour of something, in magnitudes (AB, no extinction).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Colour {
    /// g - r.
    pub(crate) g_r: f32,
    /// r - i.
    pub(crate) r_i: f32,
}

impl Colour {
    /// A galaxy's colour by its g - r; r - i follows it along a straight line through the typical
    /// disk and elliptical of SDSS (Blanton et al. 2003, Astrophys. J. 594, 186), which is near enough.
    pub(crate) fn of_galaxy(g_r: f32) -> Self {
        Self {
            g_r,
            r_i: 0.42 * g_r + 0.04,
        }
    }

    /// A star's colour by its g - r; in M dwarfs, beyond g - r = 1.4, only r - i goes on, by
    /// `excess` magnitudes (a straight-line sketch of the locus of Covey et al. 2007, AJ 134, 2398).
    pub(crate) fn of_star(g_r: f32, excess: f32) -> Self {
        Self {
            g_r,
            r_i: 0.42 * g_r - 0.05 + excess,
        }
    }

    /// What a brightness of 1 in r is in the display's red, green and blue, which are i, r and g.
    pub(crate) fn display(self) -> [f32; 3] {
        let [red, green, blue] = WEIGHTS;
        [
            red * 10_f32.powf(0.4 * self.r_i),
            green,
            blue * 10_f32.powf(-0.4 * self.g_r),
        ]
    }
}

/// The colour composite of Lupton et al. 2004 (PASP 116, 133, section 2): the mean of the bands goes
/// through `F(x) = asinh(alpha Q x) / Q` and each band is scaled with it, so that a colour does not
/// depend on the brightness; what is over the top is scaled down together, hue kept. Returns 0..=255.
pub(crate) fn lupton(bands: [f32; 3]) -> [f32; 3] {
    let mean = bands.iter().sum::<f32>() / 3.0;
    // At zero the ratio has the limit alpha.
    let ratio = if mean.abs() < 1e-6 {
        STRETCH
    } else {
        (STRETCH * SOFTENING * mean).asinh() / (SOFTENING * mean)
    };
    let stretched = bands.map(|band| (band * ratio).max(0.0));
    let brightest = stretched.into_iter().fold(1.0, f32::max);
    stretched.map(|band| 255.0 * band / brightest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stretch_keeps_the_colour_at_any_brightness() {
        for brightness in [0.1, 10.0, 1e3, 1e6] {
            let [red, green, blue] = lupton([1.2, 1.0, 0.6].map(|band| band * brightness));
            assert!((red / green - 1.2).abs() < 1e-3 && (blue / green - 0.6).abs() < 1e-3);
            assert!(red <= 255.0);
        }
    }

    #[test]
    fn darkness_is_black_and_below_it_too() {
        for bands in [[0.0; 3], [-2.0, -1.0, -3.0]] {
            assert!(lupton(bands).iter().all(|value| value.abs() < 1e-6));
        }
    }

    #[test]
    fn ellipticals_are_redder_than_disks() {
        let [red, _, blue] = Colour::of_galaxy(0.8).display();
        let [disk_red, _, disk_blue] = Colour::of_galaxy(0.4).display();
        assert!(red / blue > 1.5 * disk_red / disk_blue);
    }
}
