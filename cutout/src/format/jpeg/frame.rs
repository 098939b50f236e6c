//! What a file says before its pixels: size, components, tables.

use super::Fault;
use super::huffman::Table;

/// The order in which the coefficients of a block are coded.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The kinds of file that a start-of-frame marker names and that we don't decode.
const UNSUPPORTED: [(u8, &str); 11] = [
    (0xC3, "lossless JPEG"),
    (0xC5, "hierarchical JPEG"),
    (0xC6, "hierarchical JPEG"),
    (0xC7, "hierarchical JPEG"),
    (0xC9, "JPEG with arithmetic coding"),
    (0xCA, "JPEG with arithmetic coding"),
    (0xCB, "lossless JPEG with arithmetic coding"),
    (0xCD, "hierarchical JPEG with arithmetic coding"),
    (0xCE, "hierarchical JPEG with arithmetic coding"),
    (0xCF, "hierarchical JPEG with arithmetic coding"),
    (0xF7, "JPEG-LS"),
];

/// What is coded, from the start-of-frame marker.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// The greatest sampling factors of a component.
    pub(super) max_h: usize,
    pub(super) max_v: usize,
}

/// One component (brightness, a colour) of the image.
pub(super) struct Component {
    pub(super) id: u8,
    /// The sampling factors: samples across and down, for each `max_h` by `max_v` pixels.
    pub(super) h: usize,
    pub(super) v: usize,
    table: usize,
    /// Samples in a row and in a column, without padding.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Blocks in a row and in a column, without those that fill up an MCU.
    pub(super) blocks_wide: usize,
    pub(super) blocks_high: usize,
    /// The quantisation table, row by row, once a scan has begun that has the component.
    pub(super) quantisation: Option<[i32; 64]>,
    /// For each coefficient, in coding order, how many of its last bits are still to come; `None` while it
    /// hasn't come at all.
    pub(super) missing_bits: [Option<u8>; 64],
}

/// What colours the components are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    Rgb,
    YCbCr,
    /// Inverted, as Adobe's programs write it, and everyone else after them.
    Cmyk,
    Ycck,
}

/// The tables in force, and what the application markers say.
#[derive(Default)]
pub(super) struct Tables {
    quantisation: [Option<[i32; 64]>; 4],
    pub(super) dc: [Option<Table>; 4],
    pub(super) ac: [Option<Table>; 4],
    /// MCUs between two restart markers; 0 for none.
    pub(super) restart_interval: usize,
    jfif: bool,
    adobe_transform: Option<u8>,
}

impl Frame {
    /// Reads a start-of-frame segment.
    pub(super) fn read(marker: u8, segment: &[u8]) -> Result<Self, Fault> {
        let bad = || Fault::broken("the JPEG's frame header is impossible");
        if let Some((_, name)) = UNSUPPORTED.iter().find(|(known, _)| *known == marker) {
            return Err(Fault::unsupported(name));
        }
        let [precision, h1, h0, w1, w0, count, components @ ..] = segment else {
            return Err(bad());
        };
        if *precision != 8 {
            return Err(Fault::unsupported("JPEG of more than 8 bits a sample"));
        }
        let height = usize::from(u16::from_be_bytes([*h1, *h0]));
        let width = usize::from(u16::from_be_bytes([*w1, *w0]));
        if width == 0 || height == 0 || components.len() != 3 * usize::from(*count) {
            return Err(bad());
        }
        if ![1, 3, 4].contains(count) {
            return Err(Fault::unsupported("JPEG of neither 1, 3 nor 4 components"));
        }
        let (components, _) = components.as_chunks::<3>();
        let factors =
            |[_, factors, _]: &[u8; 3]| (usize::from(factors >> 4), usize::from(factors & 15));
        let max_h = components.iter().map(|of| factors(of).0).max().unwrap_or(0);
        let max_v = components.iter().map(|of| factors(of).1).max().unwrap_or(0);
        let mut frame = Self {
            width,
            height,
            progressive: marker == 0xC2,
            components: Vec::new(),
            max_h,
            max_v,
        };
        for component in components {
            let (h, v) = factors(component);
            let [id, _, table] = *component;
            if !(1..=4).contains(&h)
                || !(1..=4).contains(&v)
                || table > 3
                || frame.number(id).is_some()
            {
                return Err(bad());
            }
            if max_h % h != 0 || max_v % v != 0 {
                return Err(Fault::unsupported("JPEG with fractional sampling factors"));
            }
            frame.components.push(Component {
                id,
                h,
                v,
                table: usize::from(table),
                width: (width * h).div_ceil(max_h),
                height: (height * v).div_ceil(max_v),
                blocks_wide: (width * h).div_ceil(8 * max_h),
                blocks_high: (height * v).div_ceil(8 * max_v),
                quantisation: None,
                missing_bits: [None; 64],
            });
        }
        Ok(frame)
    }

    /// The number of the component of that name.
    pub(super) fn number(&self, id: u8) -> Option<usize> {
        self.components
            .iter()
            .position(|component| component.id == id)
    }

    /// MCUs of a scan of several components, in a row and in a column.
    pub(super) fn mcus(&self) -> (usize, usize) {
        (
            self.width.div_ceil(8 * self.max_h),
            self.height.div_ceil(8 * self.max_v),
        )
    }

    /// Whether every component has come with all its bits.
    pub(super) fn is_complete(&self) -> bool {
        let mut all = self
            .components
            .iter()
            .flat_map(|component| component.missing_bits);
        all.all(|bits| bits == Some(0))
    }
}

impl Component {
    /// For each coefficient, in coding order, the largest that is accepted. Samples of 8 bits give none over
    /// 1024 before it is rounded to quantisation steps. Twice that is accepted, since editors also change
    /// coefficients.
    pub(super) fn limits(&self) -> [u16; 64] {
        let table = self.quantisation.expect("a scan has latched it");
        ZIGZAG.map(|place| {
            let step = table[usize::from(place)].max(1);
            (2 * (1024 + step) / step) as u16
        })
    }

    /// Fixes the quantisation table, which may be another one for the next component.
    pub(super) fn latch(&mut self, tables: &Tables) -> Result<(), Fault> {
        if self.quantisation.is_none() {
            let table = tables.quantisation[self.table];
            self.quantisation =
                Some(table.ok_or_else(|| Fault::broken("a quantisation table is missing"))?);
        }
        Ok(())
    }
}

impl Tables {
    /// Reads a segment with quantisation tables (DQT).
    pub(super) fn read_quantisation(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        let bad = || Fault::broken("a quantisation table is impossible");
        while let [head, rest @ ..] = segment {
            let (wide, number) = (head >> 4, usize::from(head & 15));
            let size = match wide {
                0 => 64,
                1 => 128,
                _ => return Err(bad()),
            };
            let (values, rest) = rest.split_at_checked(size).ok_or_else(bad)?;
            let table = self
                .quantisation
                .get_mut(number)
                .ok_or_else(bad)?
                .insert([0; 64]);
            for (n, place) in ZIGZAG.iter().enumerate() {
                table[usize::from(*place)] = if wide == 0 {
                    i32::from(values[n])
                } else {
                    i32::from(u16::from_be_bytes([values[2 * n], values[2 * n + 1]]))
                };
            }
            segment = rest;
        }
        Ok(())
    }

    /// Reads a segment with Huffman tables (DHT).
    pub(super) fn read_huffman(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        let bad = || Fault::broken("a Huffman table is impossible");
        while let [head, rest @ ..] = segment {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(bad)?;
            let size = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(size).ok_or_else(bad)?;
            let table = Table::new(*counts, values.to_vec())?;
            let (class, number) = (head >> 4, usize::from(head & 15));
            let tables = match class {
                0 if table.is_for_dc() => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(bad()),
            };
            *tables.get_mut(number).ok_or_else(bad)? = Some(table);
            segment = rest;
        }
        Ok(())
    }

    /// Reads the restart interval (DRI).
    pub(super) fn read_restart_interval(&mut self, segment: &[u8]) -> Result<(), Fault> {
        let [high, low] = segment else {
            return Err(Fault::broken("the restart interval is impossible"));
        };
        self.restart_interval = usize::from(u16::from_be_bytes([*high, *low]));
        Ok(())
    }

    /// Takes note of an application segment that says what colours there are.
    pub(super) fn read_application(&mut self, marker: u8, segment: &[u8]) -> Result<(), Fault> {
        match (marker, segment) {
            (0xE0, [b'J', b'F', b'I', b'F', 0, version, ..]) if segment.len() >= 14 => {
                if *version != 1 {
                    return Err(Fault::unsupported("JFIF of another version than 1"));
                }
                self.jfif = true;
            }
            (
                0xEE,
                [
                    b'A',
                    b'd',
                    b'o',
                    b'b',
                    b'e',
                    _,
                    _,
                    _,
                    _,
                    _,
                    _,
                    transform,
                    ..,
                ],
            ) => {
                self.adobe_transform = Some(*transform);
            }
            _ => {}
        }
        Ok(())
    }

    /// What colours the components are, by the rules of libjpeg.
    pub(super) fn colours(&self, frame: &Frame) -> Result<Colours, Fault> {
        let ids: Vec<u8> = frame
            .components
            .iter()
            .map(|component| component.id)
            .collect();
        let unknown = || Fault::broken("Adobe's marker names an unknown transform");
        match (ids.as_slice(), self.adobe_transform) {
            ([_], _) => Ok(Colours::Grey),
            ([_, _, _], _) if self.jfif => Ok(Colours::YCbCr),
            ([_, _, _], Some(0)) | (b"RGB", None) => Ok(Colours::Rgb),
            ([_, _, _], Some(1) | None) => Ok(Colours::YCbCr),
            ([_, _, _, _], None | Some(0)) => Ok(Colours::Cmyk),
            ([_, _, _, _], Some(2)) => Ok(Colours::Ycck),
            _ => Err(unknown()),
        }
    }
}
