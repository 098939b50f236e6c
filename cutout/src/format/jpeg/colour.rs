//! Colours, bit for bit as libjpeg's (`jdcolor.c`): ITU-R BT.601 with the full range, 16 bits of fraction.

use super::frame::Colours;

// The factors, times 2^16.
const CR_TO_RED: i32 = 91_881;
const CB_TO_BLUE: i32 = 116_130;
const CR_TO_GREEN: i32 = 46_802;
const CB_TO_GREEN: i32 = 22_554;
const HALF: i32 = 1 << 15;

/// Makes a row of interleaved pixels, grey or RGB, from the rows of its components, which it overwrites.
#[inline(always)]
pub(super) fn convert(colours: Colours, rows: &mut [Vec<u8>], pixels: &mut [u8]) {
    match (colours, rows) {
        (Colours::Grey, [grey]) => pixels.copy_from_slice(grey),
        (Colours::Rgb, [red, green, blue]) => interleave(red, green, blue, pixels),
        (Colours::YCbCr, [y, cb, cr]) => {
            to_rgb(y, cb, cr);
            interleave(y, cb, cr, pixels);
        }
        (Colours::Cmyk, [cyan, magenta, yellow, black]) => {
            for ink in [&mut *cyan, magenta, yellow] {
                for (ink, black) in ink.iter_mut().zip(black.iter()) {
                    *ink = with_black(*ink, *black);
                }
            }
            interleave(cyan, magenta, yellow, pixels);
        }
        (Colours::Ycck, [y, cb, cr, black]) => {
            to_rgb(y, cb, cr);
            for paper in [&mut *y, cb, cr] {
                for (paper, black) in paper.iter_mut().zip(black.iter()) {
                    // The inverse of what is inverted.
                    *paper = with_black(255 - *paper, *black);
                }
            }
            interleave(y, cb, cr, pixels);
        }
        _ => unreachable!("the colours are found from the number of components"),
    }
}

/// Converts brightness and colours to red, green and blue, in place.
#[inline(always)]
fn to_rgb(y: &mut [u8], cb: &mut [u8], cr: &mut [u8]) {
    for ((y, cb), cr) in y.iter_mut().zip(cb).zip(cr) {
        [*y, *cb, *cr] = rgb(*y, *cb, *cr);
    }
}

#[inline(always)]
fn interleave(red: &[u8], green: &[u8], blue: &[u8], pixels: &mut [u8]) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for (((pixel, red), green), blue) in pixels.iter_mut().zip(red).zip(green).zip(blue) {
        *pixel = [*red, *green, *blue];
    }
}

#[inline(always)]
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((CR_TO_RED * cr + HALF) >> 16);
    let green = y + ((HALF - CB_TO_GREEN * cb - CR_TO_GREEN * cr) >> 16);
    let blue = y + ((CB_TO_BLUE * cb + HALF) >> 16);
    [
        red.clamp(0, 255) as u8,
        green.clamp(0, 255) as u8,
        blue.clamp(0, 255) as u8,
    ]
}

/// What is seen of an ink with black over it, both inverted: their product, over 255 and rounded.
#[inline(always)]
fn with_black(ink: u8, black: u8) -> u8 {
    let product = u32::from(ink) * u32::from(black) + 128;
    ((product + (product >> 8)) >> 8) as u8
}
