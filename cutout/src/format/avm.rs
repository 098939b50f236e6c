//! Astronomy Visualization Metadata 1.2 in the XMP packet of a JPEG or PNG: where the middle of a picture is on the sky.
//!
//! As with FITS, only what is surely understood gives a position: ICRS or FK5 of J2000, degrees, the gnomonic
//! projection, and metadata that call themselves `Full` or `Position`. A picture is often a smaller copy of the one
//! that the metadata were written for; its middle is the same if its shape is.

use roxmltree::{Document, Node, ParsingOptions};

use super::sky::from_plane;
use crate::Position;

/// The namespace of the metadata.
const AVM: &str = "http://www.communicatingastronomy.org/avm/1.0/";
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";

/// The most elements of a packet. Real ones have a few hundred.
const MOST_NODES: u32 = 20_000;

/// By how much the shape of a picture may differ from that of the one that the metadata were written for: more than
/// rounding to whole pixels does to thumbnails, and less than any cut.
const SHAPE: f64 = 0.02;

/// The middle of a picture of this width and height, as a packet has it.
pub(super) fn centre(packet: &str, (width, height): (u32, u32)) -> Option<Position> {
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    // Other programs put zeros and blanks behind a packet.
    let packet = packet.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    let document = Document::parse_with_options(packet, options).ok()?;
    let avm = Avm(&document);

    let is_frame_known = match &*avm.text("CoordinateFrame")? {
        "ICRS" => true,
        "FK5" => match avm.text("Equinox") {
            Some(equinox) => equinox.trim_start_matches('J').parse() == Ok(2000.0),
            None => true,
        },
        _ => false,
    };
    let [ra, dec] = avm.pair("ReferenceValue")?;
    let reference = Position::new(ra, dec).filter(|_| is_frame_known)?;
    match &*avm.text("Quality")? {
        // The place of the object alone.
        "Position" => return Some(reference),
        "Full" => {}
        _ => return None,
    }
    if avm.text("CoordsystemProjection")? != "TAN" {
        return None;
    }
    let actual = [width, height].map(f64::from);
    let whole = match avm.text("ReferenceDimension") {
        Some(_) => avm.pair("ReferenceDimension")?,
        None => actual,
    };
    let shape = whole[0] * actual[1] / (whole[1] * actual[0]);
    // No number is no shape.
    if shape.is_nan() || (shape - 1.0).abs() > SHAPE {
        return None;
    }
    // As in FITS: pixel centres are whole numbers, the first is 1, and rows are counted from the bottom.
    let pixel = avm.pair("ReferencePixel")?;
    let scale = avm.pair("Scale")?;
    let rotation: f64 = match avm.text("Rotation") {
        Some(text) => text.parse().ok()?,
        None => 0.0,
    };
    let along = |axis: usize| (f64::midpoint(whole[axis], 1.0) - pixel[axis]) * scale[axis];
    let (x, y, (sin, cos)) = (along(0), along(1), rotation.to_radians().sin_cos());
    let (xi, eta) = (x * cos - y * sin, x * sin + y * cos);
    let (ra, dec) = from_plane(
        xi.to_radians(),
        eta.to_radians(),
        reference.ra().to_radians(),
        reference.dec().to_radians(),
    );
    Position::new(ra, dec)
}

/// The metadata of a packet.
struct Avm<'a, 'input>(&'a Document<'input>);

impl Avm<'_, '_> {
    /// A value: an attribute, or what an element has as text or as the items of a list, separated by semicolons.
    /// `None` as well when there are two that differ.
    fn text(&self, name: &str) -> Option<String> {
        let name = format!("Spatial.{name}");
        let attributes = self.0.descendants().flat_map(|node| {
            let attributes = node.attributes();
            attributes
                .filter(|attribute| attribute.namespace() == Some(AVM) && attribute.name() == name)
                .map(|attribute| attribute.value().trim().to_owned())
        });
        let elements = self.0.descendants();
        let elements = elements
            .filter(|node| node.has_tag_name((AVM, &*name)))
            .map(value);
        let mut values = attributes.chain(elements);
        let first = values.next()?;
        values.all(|other| other == first).then_some(first)
    }

    fn pair(&self, name: &str) -> Option<[f64; 2]> {
        let text = self.text(name)?;
        let (one, other) = text.split_once([';', ','])?;
        let numbers = [one.trim().parse().ok()?, other.trim().parse().ok()?];
        numbers
            .iter()
            .all(|number: &f64| number.is_finite())
            .then_some(numbers)
    }
}

fn value(element: Node) -> String {
    let items: Vec<&str> = (element.descendants())
        .filter(|node| node.has_tag_name((RDF, "li")))
        .filter_map(|node| node.text())
        .map(str::trim)
        .collect();
    if items.is_empty() {
        element.text().unwrap_or_default().trim().to_owned()
    } else {
        items.join(";")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet as Photoshop and pyavm write it, with other values for some of the fields. Empty ones are left out.
    fn packet(changes: &[(&str, &str)]) -> String {
        let fields = [
            ("CoordinateFrame", "ICRS"),
            ("Quality", "Full"),
            ("CoordsystemProjection", "TAN"),
            ("ReferenceValue", "150.0;2.0"),
            ("ReferenceDimension", "1000;500"),
            ("ReferencePixel", "500.5;250.5"),
            ("Scale", "-1e-4;1e-4"),
            ("Rotation", ""),
            ("Equinox", ""),
        ];
        let element = |(name, value): (&str, &str)| {
            let change = changes.iter().find(|(changed, _)| *changed == name);
            let value = change.map_or(value, |(_, value)| value);
            let items: Vec<&str> = value.split(';').collect();
            let inner = match &*items {
                [""] => return String::new(),
                [one] => (*one).to_owned(),
                several => {
                    let items = several.join("</rdf:li><rdf:li>");
                    format!("<rdf:Seq><rdf:li>{items}</rdf:li></rdf:Seq>")
                }
            };
            format!("<avm:Spatial.{name}>{inner}</avm:Spatial.{name}>")
        };
        let xml = fields.map(element).concat();
        format!(
            "<?xpacket begin='\u{feff}' id='W5M0MpCehiHzreSzNTczkc9d'?>
             <x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='{RDF}'>
             <rdf:Description rdf:about='' xmlns:avm='{AVM}'>{xml}</rdf:Description>
             </rdf:RDF></x:xmpmeta><?xpacket end='w'?>\0"
        )
    }

    fn of(changes: &[(&str, &str)]) -> Option<(f64, f64)> {
        let found = centre(&packet(changes), (100, 50))?;
        Some((found.ra(), found.dec()))
    }

    fn near(found: Option<(f64, f64)>, ra: f64, dec: f64) -> bool {
        found.is_some_and(|at| (at.0 - ra).abs() < 1e-9 && (at.1 - dec).abs() < 1e-9)
    }

    #[test]
    fn the_middle_of_a_smaller_copy_is_that_of_the_original() {
        assert!(near(of(&[]), 150.0, 2.0));
        // 100 pixels of 1e-4 degrees up. By astropy's WCS, as the next ones.
        let up = of(&[("ReferencePixel", "500.5;150.5")]);
        assert!(near(up, 150.0, 2.01));
        let left = of(&[("ReferencePixel", "600.5;250.5"), ("Rotation", "90")]);
        assert!(near(left, 150.0, 2.01));
        // As pyavm 0.9 reads it.
        let pyavm = of(&[
            ("ReferenceValue", "83.633;22.0145"),
            ("ReferencePixel", "700;120"),
            ("Scale", "-0.0003;0.0003"),
            ("Rotation", "33.0"),
        ]);
        assert!(near(pyavm, 83.664_156_823_9, 22.079_927_619_7));
        let attributes = format!(
            "<r xmlns:avm='{AVM}' avm:Spatial.CoordinateFrame='FK5' avm:Spatial.Quality='Position'
             avm:Spatial.ReferenceValue='10.5, -20.5'/>"
        );
        let found = centre(&attributes, (1, 1)).unwrap();
        assert_eq!((found.ra(), found.dec()), (10.5, -20.5));
    }

    #[test]
    fn what_is_not_surely_understood_gives_no_position() {
        for change in [
            ("CoordinateFrame", "GAL"),
            ("CoordinateFrame", "FK4"),
            ("CoordinateFrame", ""),
            ("Quality", "Unknown"),
            ("Quality", ""),
            ("CoordsystemProjection", "AIT"),
            ("CoordsystemProjection", ""),
            ("ReferenceValue", "400;2"),
            ("ReferenceValue", "150"),
            ("ReferenceValue", "10h;2"),
            // Cut.
            ("ReferenceDimension", "1000;600"),
            ("ReferenceDimension", "0;0"),
            ("ReferencePixel", ""),
            ("Scale", ""),
            ("Scale", "nan;nan"),
            ("Rotation", "left"),
        ] {
            assert_eq!(of(&[change]), None, "{change:?}");
        }
        let fk5 = ("CoordinateFrame", "FK5");
        assert_eq!(of(&[fk5, ("Equinox", "1950.0")]), None);
        assert!(of(&[fk5, ("Equinox", "J2000")]).is_some());
        assert!(of(&[fk5, ("Equinox", "2000.0")]).is_some());
        let two = packet(&[]).replace(
            "<avm:Spatial.Quality>",
            "<avm:Spatial.Quality>Full</avm:Spatial.Quality><avm:Spatial.Quality>Not ",
        );
        assert_eq!(centre(&two, (100, 50)), None);
        assert_eq!(centre("no xml", (100, 50)), None);
        let bomb = "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>";
        assert_eq!(centre(bomb, (100, 50)), None);
    }
}
