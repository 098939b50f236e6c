//! Blocks of baseline and extended sequential scans: whole, one after the other, straight to samples.

use super::Fault;
use super::bits::BitReader;
use super::frame::{Frame, Tables, ZIGZAG};
use super::huffman::{END_OF_BLOCK, TOO_LARGE, TOO_MANY_COEFFICIENTS, Table};
use super::idct::Block;
use super::planes::Plane;
use super::scan::{BlockDecoder, ScanHeader};

/// Decodes blocks, and stores the samples of those that are asked for.
pub(super) struct Sequential<'a> {
    parts: Vec<Part<'a>>,
    planes: &'a mut [Plane],
    block: Block,
}

struct Part<'a> {
    component: usize,
    dc: &'a Table,
    ac: &'a Table,
    quantisation: [i32; 64],
    limits: [u16; 64],
    /// The DC coefficient of the block before.
    previous: i32,
}

impl<'a> Sequential<'a> {
    pub(super) fn new(
        header: &ScanHeader,
        frame: &Frame,
        tables: &'a Tables,
        planes: &'a mut [Plane],
    ) -> Result<Self, Fault> {
        let missing = || Fault::broken("a Huffman table is missing");
        let parts = header.parts.iter().map(|part| {
            Ok(Part {
                component: part.component,
                dc: tables.dc[part.dc].as_ref().ok_or_else(missing)?,
                ac: tables.ac[part.ac].as_ref().ok_or_else(missing)?,
                quantisation: frame.components[part.component]
                    .quantisation
                    .expect("the header has latched it"),
                limits: frame.components[part.component].limits(),
                previous: 0,
            })
        });
        Ok(Self {
            parts: parts.collect::<Result<_, Fault>>()?,
            planes,
            block: [0; 64],
        })
    }
}

impl BlockDecoder for Sequential<'_> {
    #[inline(always)]
    fn block(&mut self, reader: &mut BitReader<'_>, part: usize, column: usize, row: usize) {
        let part = &mut self.parts[part];
        let size = part.dc.symbol(reader);
        part.previous += reader.value(u32::from(size));
        if part.previous.unsigned_abs() > u32::from(part.limits[0]) {
            return reader.fail(TOO_LARGE);
        }
        let dc = part.previous as i16;
        let plane = &mut self.planes[part.component];
        if !plane.has_block(column, row) {
            return read_coefficients(part.ac, &part.limits, reader, |_, _| {});
        }
        let block = &mut self.block;
        let mut is_flat = true;
        read_coefficients(part.ac, &part.limits, reader, |place, value| {
            block[place & 63] = value;
            is_flat = false;
        });
        if is_flat {
            plane.fill_block(column, row, dc, &part.quantisation);
        } else {
            block[0] = dc;
            plane.store_block(column, row, block, &part.quantisation);
            *block = [0; 64];
        }
    }

    fn restart(&mut self) -> Result<(), Fault> {
        for part in &mut self.parts {
            part.previous = 0;
        }
        Ok(())
    }
}

/// Reads the coefficients of a block but the first; each that is not zero goes to `store` with its place.
#[inline(always)]
fn read_coefficients(
    table: &Table,
    limits: &[u16; 64],
    reader: &mut BitReader<'_>,
    mut store: impl FnMut(usize, i16),
) {
    let mut place = 0;
    while place < 63 {
        let coefficient = table.coefficient(reader);
        place += usize::from(coefficient.step);
        // Without a value these are 16 zeros, or the end.
        if coefficient.value != 0 {
            let Some(in_rows) = ZIGZAG.get(place) else {
                break;
            };
            if coefficient.value.unsigned_abs() > limits[place] {
                return reader.fail(TOO_LARGE);
            }
            store(usize::from(*in_rows), coefficient.value);
        }
    }
    if place > 63 && place < usize::from(END_OF_BLOCK) {
        reader.fail(TOO_MANY_COEFFICIENTS);
    }
}
