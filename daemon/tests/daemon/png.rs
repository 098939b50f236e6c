//! PNG files by hand: kinds that the `image` crate doesn't write, and lies.

/// The passes of Adam7: first column and row, and the step of each.
const ADAM7: [[usize; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

/// What an image's header says, and its pixels, which need not agree.
pub(crate) struct Png<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Bits of a sample.
    pub(crate) depth: u8,
    /// 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
    pub(crate) colour: u8,
    pub(crate) interlaced: bool,
    /// Chunks before the pixels.
    pub(crate) chunks: &'a [([u8; 4], Vec<u8>)],
}

impl Png<'_> {
    /// The file, with the bytes of each pixel as `pixel` gives them.
    pub(crate) fn encode(&self, pixel: impl Fn(usize, usize) -> Vec<u8>) -> Vec<u8> {
        let (width, height) = (self.width as usize, self.height as usize);
        let whole = [[0, 0, 1, 1]];
        let passes = if self.interlaced { &ADAM7[..] } else { &whole };
        let mut rows = Vec::new();
        for [left, top, right, down] in passes {
            for y in (*top..height).step_by(*down) {
                if *left < width {
                    // The filter of the row: none.
                    rows.push(0);
                }
                rows.extend((*left..width).step_by(*right).flat_map(|x| pixel(x, y)));
            }
        }
        self.file(&stored(&rows))
    }

    /// The file with these compressed pixels.
    pub(crate) fn file(&self, compressed: &[u8]) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend(self.width.to_be_bytes());
        header.extend(self.height.to_be_bytes());
        header.extend([self.depth, self.colour, 0, 0, u8::from(self.interlaced)]);
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        append(&mut bytes, *b"IHDR", &header);
        for (name, data) in self.chunks {
            append(&mut bytes, *name, data);
        }
        append(&mut bytes, *b"IDAT", compressed);
        append(&mut bytes, *b"IEND", &[]);
        bytes
    }
}

fn append(bytes: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    bytes.extend((data.len() as u32).to_be_bytes());
    let checked = [&name, data].concat();
    bytes.extend(&checked);
    bytes.extend(crc(&checked).to_be_bytes());
}

/// The pixels of an image that was encoded by others: the data of its IDAT chunks.
pub(crate) fn compressed(png: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut at = 8;
    while at + 8 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        if &png[at + 4..at + 8] == b"IDAT" {
            data.extend(&png[at + 8..at + 8 + length]);
        }
        at += length + 12;
    }
    data
}

/// A zlib stream that compresses nothing.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = data.chunks(0xFFFF);
    let last = blocks.len() - 1;
    for (number, block) in blocks.enumerate() {
        let length = block.len() as u16;
        stream.push(u8::from(number == last));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}
