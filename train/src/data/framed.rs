//! Labelled images as the daemon shows them to a network: framed, and not the centre of the file alone.

use galmorph_cutout::{Frame, FramingSettings, Image, Morphology, Preprocessing, RgbImage};

use super::{LabelledImages, Part, digest, in_parallel};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// The images that are in memory at once.
const AT_ONCE: usize = 64;

/// How images become views.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Framed<'a> {
    /// What a view shows, and how it is made.
    pub(crate) preprocessing: &'a Preprocessing,
    /// How the frame is found in an image.
    pub(crate) framing: FramingSettings,
}

/// The galaxies whose views were made.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    /// Their ids, as in the label file.
    pub(crate) ids: Vec<String>,
    /// Their classes.
    pub(crate) classes: Vec<Morphology>,
    /// The digest of labels and image files; see [`Dataset`](super::Dataset).
    pub(crate) digest: String,
}

impl Framed<'_> {
    /// The views of an image.
    pub(crate) fn views(&self, image: &Image) -> Vec<f32> {
        self.preprocessing.framed_views(image, &self.frame(image))
    }

    /// The widest of them, to be looked at.
    pub(crate) fn widest(&self, image: &Image) -> RgbImage {
        let widest = self.preprocessing.widest();
        widest.framed_picture(image, &self.frame(image), 1)
    }

    fn frame(&self, image: &Image) -> Frame {
        let plan = self.framing.plan(image.dimensions());
        plan.show(image, self.preprocessing).frame
    }
}

impl LabelledImages {
    /// Makes the views of all images of a part, and hands them over, some images at a time and in the order
    /// of the label file.
    ///
    /// # Errors
    /// Names the row and the file of the first image that can't be decoded.
    pub(crate) fn framed_views(
        &self,
        part: Part,
        framed: Framed<'_>,
        threads: usize,
        mut take: impl FnMut(Vec<f32>),
    ) -> Result<Described> {
        let labels = self.labels_of(part)?;
        let progress = Progress::new(&format!("decoding {part}"), labels.len() as u64, "images");
        let mut hashes = Vec::with_capacity(labels.len());
        for some in labels.chunks(AT_ONCE) {
            let made = in_parallel(some.len(), threads, |number| {
                let label = some[number];
                let content = self.index.content(self.index.require(&label.id)?)?;
                let image = content
                    .decode(u32::MAX)
                    .map_err(Error::input_at(self.place(label)?))?;
                progress.advance(1);
                Ok((framed.views(&image), content.hash()))
            })?;
            let mut views = Vec::new();
            for (own, hash) in made {
                views.extend(own);
                hashes.push(hash);
            }
            take(views);
        }
        progress.finish();
        Ok(Described {
            digest: digest(&labels, hashes.iter(), &self.source.images.rendering),
            ids: labels.iter().map(|label| label.id.clone()).collect(),
            classes: labels.iter().map(|label| label.class).collect(),
        })
    }
}
