//! Huffman tables (ITU-T T.81, annex C and F.2.2).

use super::Fault;
use super::bits::{BitReader, extend};

/// Codes of up to this length, values included, are decoded by one look into a table of 2^10 entries: with the
/// tables that encoders use, nearly all.
const LOOK: u32 = 10;

pub(super) const TOO_MANY_COEFFICIENTS: &str = "a block has more than 64 coefficients";
pub(super) const TOO_LARGE: &str = "a coefficient is too large";
pub(super) const BAD_CODE: &str = "the compressed data has a code that is none";

/// The codes of one table.
pub(super) struct Table {
    /// By the next bits: what they begin with. Of length 0 where the code is longer.
    symbols: Box<[Code; 1 << LOOK]>,
    /// By the next bits: a whole AC coefficient, code and value. Of length 0 where it is longer.
    coefficients: Box<[Coefficient; 1 << LOOK]>,
    /// For each length, the first 16 bits that are behind its codes.
    limits: [u32; 17],
    /// For each length, the position in `values` of a code, less the code.
    offsets: [i32; 17],
    values: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Code {
    symbol: u8,
    length: u8,
}

/// An AC coefficient of a sequential scan, with the zeros before it.
#[derive(Clone, Copy, Default)]
pub(super) struct Coefficient {
    pub(super) value: i16,
    /// How far it is behind the one before. [`END_OF_BLOCK`] when there is no other.
    pub(super) step: u8,
    /// Bits, of code and value.
    length: u8,
}

/// The step of a symbol that ends its block: past its end, wherever it stands.
pub(super) const END_OF_BLOCK: u8 = 128;

impl Table {
    /// Makes a table from the number of codes of each length, 1 to 16, and their symbols in order.
    pub(super) fn new(counts: [u8; 16], values: Vec<u8>) -> Result<Self, Fault> {
        let bad = || Fault::broken("a Huffman table is impossible");
        let mut table = Self {
            symbols: Box::new([Code::default(); 1 << LOOK]),
            coefficients: Box::new([Coefficient::default(); 1 << LOOK]),
            limits: [0; 17],
            offsets: [0; 17],
            values,
        };
        let (mut code, mut position) = (0_u32, 0_usize);
        for (length, count) in (1_u32..).zip(counts) {
            let count = u32::from(count);
            table.offsets[length as usize] = position as i32 - code as i32;
            for _ in 0..count {
                // A code of ones alone is not allowed.
                if code + 1 >= 1 << length {
                    return Err(bad());
                }
                let symbol = *table.values.get(position).ok_or_else(bad)?;
                if length <= LOOK {
                    let first = (code << (LOOK - length)) as usize;
                    let entry = Code {
                        symbol,
                        length: length as u8,
                    };
                    table.symbols[first..][..1 << (LOOK - length)].fill(entry);
                }
                code += 1;
                position += 1;
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        for (bits, (code, coefficient)) in
            (0_u32..).zip(table.symbols.iter().zip(table.coefficients.iter_mut()))
        {
            *coefficient = Coefficient::of(*code, bits);
        }
        Ok(table)
    }

    /// Whether all symbols can be sizes of DC differences.
    pub(super) fn is_for_dc(&self) -> bool {
        self.values.iter().all(|symbol| *symbol <= 15)
    }

    /// Reads a symbol. Fills the reader before; 16 bits at least are left after.
    #[inline(always)]
    pub(super) fn symbol(&self, reader: &mut BitReader<'_>) -> u8 {
        reader.fill();
        let code = self.symbols[reader.peek(LOOK) as usize];
        if code.length > 0 {
            reader.skip(u32::from(code.length));
            return code.symbol;
        }
        self.long_symbol(reader)
    }

    #[inline(never)]
    fn long_symbol(&self, reader: &mut BitReader<'_>) -> u8 {
        let bits = reader.peek(16);
        for length in LOOK + 1..=16 {
            if bits < self.limits[length as usize] {
                reader.skip(length);
                let code = (bits >> (16 - length)) as i32;
                let position = code + self.offsets[length as usize];
                return self.values[position as usize];
            }
        }
        reader.fail(BAD_CODE);
        0
    }

    /// Reads an AC coefficient of a sequential scan.
    #[inline(always)]
    pub(super) fn coefficient(&self, reader: &mut BitReader<'_>) -> Coefficient {
        reader.fill();
        let coefficient = self.coefficients[reader.peek(LOOK) as usize];
        if coefficient.length > 0 {
            reader.skip(u32::from(coefficient.length));
            return coefficient;
        }
        let (zeros, size) = split(self.symbol(reader));
        Coefficient {
            value: reader.value(size) as i16,
            step: step(zeros, size),
            length: 0,
        }
    }
}

impl Coefficient {
    /// The coefficient that `LOOK` bits begin with; of length 0 if it is longer.
    fn of(code: Code, bits: u32) -> Self {
        let (zeros, size) = split(code.symbol);
        let length = u32::from(code.length) + size;
        if code.length == 0 || length > LOOK {
            return Self::default();
        }
        let value = bits >> (LOOK - length) & ((1 << size) - 1);
        Self {
            value: if size == 0 {
                0
            } else {
                extend(value, size) as i16
            },
            step: step(zeros, size),
            length: length as u8,
        }
    }
}

/// The zeros before a coefficient, and the size of its value in bits.
pub(super) const fn split(symbol: u8) -> (u8, u32) {
    (symbol >> 4, (symbol & 15) as u32)
}

/// Without a value there are 16 zeros, or no other coefficient.
const fn step(zeros: u8, size: u32) -> u8 {
    if size > 0 || zeros == 15 {
        zeros + 1
    } else {
        END_OF_BLOCK
    }
}
