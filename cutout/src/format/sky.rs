//! The gnomonic projection, which FITS calls `TAN` (Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3).

/// From the plane that touches the sphere at `ra0`, `dec0` back to the sphere. Radians in, degrees out, the
/// right ascension from 0 to 360.
pub(super) fn from_plane(xi: f64, eta: f64, ra0: f64, dec0: f64) -> (f64, f64) {
    let (sin, cos) = dec0.sin_cos();
    let depth = cos - eta * sin;
    let ra = ra0 + xi.atan2(depth);
    let dec = (sin + eta * cos).atan2(xi.hypot(depth));
    let ra = ra.to_degrees().rem_euclid(360.0);
    // A tiny negative angle comes out as 360 itself.
    (if ra == 360.0 { 0.0 } else { ra }, dec.to_degrees())
}
