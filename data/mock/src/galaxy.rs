//! What a galaxy of each class is made of, and the random draws of its parameters.
//!
//! Lengths are in pixels of a cutout of [`Mock::SIDE`](crate::Mock::SIDE); [`Scene::zoom`] says how
//! many of them a camera pixel takes. Brightness is in units of the sky noise.

use std::f32::consts::{PI, TAU};
use std::ops::Range;

use galmorph_cutout::Morphology;
use rand::Rng;

use crate::canvas::Canvas;
use crate::colour::Colour;
use crate::profile::{DustLane, EdgeOnDisk, Ellipse, Sersic, SpiralArms, azimuth};

/// A galaxy, and how it was seen.
pub(crate) struct Scene {
    /// The pixels of the cutout that one pixel of the camera takes, along one axis. Small and
    /// distant galaxies are enlarged more.
    pub(crate) zoom: f32,
    /// The seeing: full width at half maximum in camera pixels. SDSS's median in r is 1.3
    /// arcseconds, 3.3 pixels.
    pub(crate) seeing: f32,
    /// The galaxy at the centre.
    pub(crate) galaxy: Galaxy,
}

/// A galaxy's light.
pub(crate) enum Galaxy {
    /// One Sersic profile: an elliptical or lenticular.
    Smooth(Spheroid),
    /// A disk in its own plane, with arms.
    Spiral(Box<Spiral>),
    /// A disk from the side.
    EdgeOn(EdgeOn),
}

/// A Sersic profile on ellipses.
pub(crate) struct Spheroid {
    pub(crate) profile: Sersic,
    pub(crate) shape: Ellipse,
    pub(crate) colour: Colour,
}

/// A disk with arms, knots of young stars along them, and a bulge.
pub(crate) struct Spiral {
    disk: Sersic,
    shape: Ellipse,
    colour: Colour,
    arms: SpiralArms,
    /// How much brighter than the disk around it the ridge of an arm is.
    contrast: f32,
    arm_colour: Colour,
    knots: Vec<Knot>,
    bulge: Spheroid,
}

/// A star-forming region.
struct Knot {
    /// From the galaxy's centre, in the image.
    place: (f32, f32),
    /// The standard deviation of its Gaussian, in pixels.
    size: f32,
    brightness: f32,
}

/// A disk from the side, with the dust that lies in its plane, and a bulge.
pub(crate) struct EdgeOn {
    disk: EdgeOnDisk,
    /// For the axes alone.
    axes: Ellipse,
    colour: Colour,
    dust: DustLane,
    bulge: Spheroid,
}

impl Scene {
    /// A galaxy of a class, at random.
    pub(crate) fn draw_for(class: Morphology, rng: &mut impl Rng) -> Self {
        let angle = rng.random_range(0.0..PI);
        let galaxy = match class {
            Morphology::Round => Galaxy::Smooth(elliptical(0.87..0.95, angle, rng)),
            Morphology::InBetween => Galaxy::Smooth(elliptical(0.5..0.75, angle, rng)),
            Morphology::Cigar => Galaxy::Smooth(cigar(angle, rng)),
            Morphology::EdgeOn => Galaxy::EdgeOn(EdgeOn::draw(angle, rng)),
            Morphology::Spiral => Galaxy::Spiral(Box::new(Spiral::draw(angle, rng))),
        };
        // Arms and dust are seen in nearby galaxies, which need little enlargement.
        let zoom = match class {
            Morphology::EdgeOn => 1.2..1.8,
            Morphology::Spiral => 1.4..2.4,
            _ => 1.8..3.6,
        };
        Self {
            zoom: rng.random_range(zoom),
            seeing: rng.random_range(2.6..3.4),
            galaxy,
        }
    }
}

fn elliptical(axis_ratio: Range<f32>, angle: f32, rng: &mut impl Rng) -> Spheroid {
    Spheroid {
        profile: Sersic {
            index: rng.random_range(2.5..4.0),
            effective_radius: rng.random_range(18.0..30.0),
            effective_brightness: rng.random_range(10.0..28.0),
        },
        shape: Ellipse::new(rng.random_range(axis_ratio), angle),
        colour: Colour::of_galaxy(rng.random_range(0.65..0.92)),
    }
}

/// A smooth, long galaxy as volunteers call it cigar-shaped: a disk seen at a steep angle, without a
/// bulge, arms or dust.
///
/// In Galaxy Zoo's cutouts the isophote at half of a cigar's peak has an axis ratio of mostly 0.3 to
/// 0.5, seeing included. Thinner galaxies are easily taken for edge-on disks.
fn cigar(angle: f32, rng: &mut impl Rng) -> Spheroid {
    Spheroid {
        profile: Sersic {
            index: rng.random_range(0.7..1.4),
            effective_radius: rng.random_range(28.0..40.0),
            effective_brightness: rng.random_range(18.0..50.0),
        },
        shape: Ellipse::new(rng.random_range(0.28..0.36), angle),
        colour: Colour::of_galaxy(rng.random_range(0.3..0.75)),
    }
}

/// A bulge of n = 4, by the brightness at its effective radius.
fn bulge(radius: f32, brightness: f32, shape: Ellipse, rng: &mut impl Rng) -> Spheroid {
    Spheroid {
        profile: Sersic {
            index: 4.0,
            effective_radius: radius,
            effective_brightness: brightness,
        },
        shape,
        colour: Colour::of_galaxy(rng.random_range(0.7..0.9)),
    }
}

impl Spiral {
    fn draw(angle: f32, rng: &mut impl Rng) -> Self {
        let shape = Ellipse::new(rng.random_range(0.4..0.9), angle);
        let scale_length = rng.random_range(17.0..25.0);
        let central = rng.random_range(25.0..65.0);
        let handedness = if rng.random() { 1.0 } else { -1.0 };
        let pitch: f32 = rng.random_range(12.0..28.0);
        // Two arms are the most common, and more arms are fainter and more ragged.
        let count: f32 = [2.0, 2.0, 2.0, 3.0, 4.0][rng.random_range(0..5)];
        let arms = SpiralArms {
            count,
            pitch_tangent: handedness * pitch.to_radians().tan(),
            phase: rng.random_range(0.0..TAU),
            concentration: rng.random_range(1.5..3.5),
            inner: scale_length * rng.random_range(0.35..0.6),
            outer: scale_length * rng.random_range(3.2..4.2),
            wander: rng.random_range(0.1..0.4),
            patchiness: rng.random_range(0.1..0.6),
        };
        let knots = (0..rng.random_range(20..50))
            .map(|_| Knot::draw(&arms, shape, scale_length, central, rng))
            .collect();
        let radius = scale_length * rng.random_range(0.15..0.4);
        let brightness = central * rng.random_range(0.5..1.6);
        let round = Ellipse::new(rng.random_range(0.8..1.0), angle);
        Self {
            disk: Sersic::exponential(scale_length, central),
            shape,
            colour: Colour::of_galaxy(rng.random_range(0.5..0.65)),
            arms,
            contrast: rng.random_range(0.8..3.0) / (count / 2.0).sqrt(),
            arm_colour: Colour::of_galaxy(rng.random_range(0.25..0.45)),
            knots,
            bulge: bulge(radius, brightness, round, rng),
        }
    }

    fn add_to(&self, canvas: &mut Canvas, centre: (f32, f32), zoom: f32) {
        let brightness = self.disk.brightness();
        let (disk, arm) = (self.colour.display(), self.arm_colour.display());
        // Here an exponential disk is below a tenth of the noise.
        let reach = 4.0 * self.disk.effective_radius / zoom;
        canvas.add(centre, reach, |dx, dy| {
            let (x, y) = self.shape.deprojected(dx * zoom, dy * zoom);
            let radius = x.hypot(y).max(0.3);
            let here = brightness(radius);
            if here < 0.05 {
                return [0.0; 3];
            }
            // The light of the arms is taken from the disk between them, in part.
            let ridge = self.contrast * self.arms.strength(radius, azimuth(x, y));
            let between = if radius > self.arms.inner { 0.6 } else { 0.8 };
            [0, 1, 2].map(|band| here * (between * disk[band] + ridge * arm[band]))
        });
        for knot in &self.knots {
            let place = (
                centre.0 + knot.place.0 / zoom,
                centre.1 + knot.place.1 / zoom,
            );
            let size = knot.size / zoom;
            canvas.add_uniform(place, 4.0 * size, Colour::of_galaxy(0.1), |dx, dy| {
                knot.brightness * (-0.5 * (dx * dx + dy * dy) / (size * size)).exp()
            });
        }
        self.bulge.add_to(canvas, centre, zoom);
    }
}

impl Knot {
    fn draw(
        arms: &SpiralArms,
        shape: Ellipse,
        scale_length: f32,
        central: f32,
        rng: &mut impl Rng,
    ) -> Self {
        let radius = scale_length * rng.random_range(0.9..3.4);
        let arm = rng.random_range(0..4) as f32;
        let azimuth = arms.ridge(arm, radius) + rng.random_range(-0.25..0.25);
        let disk = central * (-radius / scale_length).exp();
        Self {
            place: shape.projected(radius * azimuth.cos(), radius * azimuth.sin()),
            size: rng.random_range(1.2..2.2),
            brightness: disk * rng.random_range(1.0..8.0),
        }
    }
}

impl EdgeOn {
    fn draw(angle: f32, rng: &mut impl Rng) -> Self {
        let scale_length = rng.random_range(15.0..21.0);
        let central = rng.random_range(90.0..220.0);
        // Half of them show their dust, and a lane is only seen across a disk that is thick enough.
        let dusty = rng.random();
        let thickness = if dusty { 0.28..0.36 } else { 0.2..0.3 };
        let scale_height = scale_length * rng.random_range(thickness);
        let side = if rng.random() { 1.0 } else { -1.0 };
        let dust = DustLane {
            depth: rng.random_range(if dusty { 5.0..10.0 } else { 0.0..0.5 }),
            scale_length: scale_length * 1.6,
            scale_height: scale_height * rng.random_range(0.35..0.45),
            offset: side * scale_height * rng.random_range(0.0..0.35),
        };
        let radius = scale_height * rng.random_range(1.0..2.2);
        let brightness = central * rng.random_range(0.2..0.5);
        let shape = Ellipse::new(rng.random_range(0.6..0.9), angle);
        Self {
            disk: EdgeOnDisk {
                scale_length,
                scale_height,
                central_brightness: central,
            },
            axes: Ellipse::new(1.0, angle),
            colour: Colour::of_galaxy(rng.random_range(0.4..0.7)),
            dust,
            bulge: bulge(radius, brightness, shape, rng),
        }
    }

    fn add_to(&self, canvas: &mut Canvas, centre: (f32, f32), zoom: f32) {
        let (disk, bulge) = (self.colour.display(), self.bulge.colour.display());
        let spheroid = self.bulge.profile.brightness();
        let reach = 8.0 * self.disk.scale_length / zoom;
        // Off the plane the disk ends soon, and Bessel functions are dear.
        let thick = 6.0 * self.disk.scale_height;
        canvas.add(centre, reach, |dx, dy| {
            let (dx, dy) = (dx * zoom, dy * zoom);
            let (along, above) = self.axes.along_axes(dx, dy);
            let round = spheroid(self.bulge.shape.radius(dx, dy));
            if above.abs() > thick {
                return bulge.map(|band| band * round);
            }
            let flat = self.disk.brightness(along, above);
            let passed = self.dust.transmission(along, above);
            [0, 1, 2].map(|band| passed[band] * (flat * disk[band] + round * bulge[band]))
        });
    }
}

impl Spheroid {
    /// Draws it out to where it is lost in the noise.
    pub(crate) fn add_to(&self, canvas: &mut Canvas, centre: (f32, f32), zoom: f32) {
        let brightness = self.profile.brightness();
        let mut reach = self.profile.effective_radius;
        while brightness(reach) > 0.05 && reach < canvas.side() * zoom {
            reach *= 1.2;
        }
        canvas.add_uniform(centre, reach / zoom, self.colour, |dx, dy| {
            brightness(self.shape.radius(dx * zoom, dy * zoom))
        });
    }
}

impl Galaxy {
    /// Draws it around `centre`, in camera pixels of which each is `zoom` of the cutout.
    pub(crate) fn add_to(&self, canvas: &mut Canvas, centre: (f32, f32), zoom: f32) {
        match self {
            Self::Smooth(spheroid) => spheroid.add_to(canvas, centre, zoom),
            Self::Spiral(spiral) => spiral.add_to(canvas, centre, zoom),
            Self::EdgeOn(edge_on) => edge_on.add_to(canvas, centre, zoom),
        }
    }
}
