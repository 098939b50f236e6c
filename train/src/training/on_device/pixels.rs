//! The images of a data set on a device, as the bytes they were decoded to.

use galmorph_cutout::Image;
use tch::{Device, Kind, TchError, Tensor};

use crate::data::Dataset;
use crate::error::{Error, Result};

/// Images that go to the device in one piece.
const AT_ONCE: usize = 256;

/// The images, on the device.
pub(in crate::training) struct Pixels {
    /// `[images, height, width, 3]`, u8. Of a smaller image, what is right of it and below is not looked at.
    pub(super) bytes: Tensor,
    pub(super) height: i64,
    pub(super) width: i64,
}

impl Pixels {
    /// Brings the images to the device.
    ///
    /// # Errors
    /// When an image has more than 8 bits a sample, or the device has too little memory.
    pub(in crate::training) fn upload(dataset: &Dataset, device: Device) -> Result<Self> {
        let height = dataset.images.iter().map(Image::height).max().unwrap_or(0);
        let width = dataset.images.iter().map(Image::width).max().unwrap_or(0);
        let (height, width) = (height as usize, width as usize);
        let shape = [dataset.len(), height, width, 3].map(|n| n as i64);
        let bytes = Tensor::f_zeros(shape, (Kind::Uint8, device)).map_err(|fault| {
            let gigabytes = shape.iter().product::<i64>() as f64 / 1e9;
            no_room(&fault, gigabytes)
        })?;
        for (number, images) in dataset.images.chunks(AT_ONCE).enumerate() {
            let first = number * AT_ONCE;
            let mut block = vec![0; images.len() * height * width * 3];
            for (offset, (image, place)) in images
                .iter()
                .zip(block.chunks_exact_mut(height * width * 3))
                .enumerate()
            {
                let Some(samples) = image.bytes() else {
                    return Err(Error::Input(format!(
                        "galaxy {} has more than 8 bits a sample, and views of it can't be made on the device; \
                         use --augment-on host",
                        dataset.ids[first + offset]
                    )));
                };
                let (planes, columns) = (image.planes(), image.width() as usize);
                for (line, place) in samples
                    .chunks_exact(columns * planes)
                    .zip(place.chunks_exact_mut(width * 3))
                {
                    for (pixel, place) in line.chunks_exact(planes).zip(place.chunks_exact_mut(3)) {
                        for (plane, value) in place.iter_mut().enumerate() {
                            *value = pixel[plane % planes];
                        }
                    }
                }
            }
            let block = Tensor::from_data_size(
                &block,
                &[images.len() as i64, shape[1], shape[2], 3],
                Kind::Uint8,
            );
            bytes
                .narrow(0, first as i64, images.len() as i64)
                .copy_(&block);
        }
        Ok(Self {
            bytes,
            height: shape[1],
            width: shape[2],
        })
    }
}

fn no_room(fault: &TchError, gigabytes: f64) -> Error {
    let text = fault.to_string();
    let text = text.lines().next().unwrap_or_default();
    Error::Input(format!(
        "the training images need {gigabytes:.1} GB on the device, which has too little memory; \
         use --augment-on host ({text})"
    ))
}
