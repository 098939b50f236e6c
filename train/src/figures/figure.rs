//! A finished drawing, and how it is saved.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use galmorph_output::{Output, readable};
use resvg::usvg::{self, Options, Tree, fontdb};
use resvg::{render, tiny_skia};

use super::chart::{BOLD, REGULAR};
use crate::error::{Error, Result};

/// Pixels of the PNG for one unit of the drawing. Two are sharp in print and on high-resolution screens.
const PNG_SCALE: u32 = 2;

/// The fonts to rasterise with: only those that are built in, so that every machine draws the same.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    for font in [REGULAR, BOLD] {
        fonts.load_font_data(font().to_vec());
    }
    Arc::new(fonts)
});

/// A drawing.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    svg: String,
    width: u32,
    height: u32,
}

impl Figure {
    pub(super) const fn new(svg: String, width: u32, height: u32) -> Self {
        Self { svg, width, height }
    }

    /// The drawing as an SVG document. Text stays text, and pictures are embedded.
    pub(crate) fn svg(&self) -> &str {
        &self.svg
    }

    /// Width and height of the drawing, in CSS pixels.
    #[cfg(test)]
    pub(crate) const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The drawing as a PNG file of twice its size.
    pub(crate) fn png(&self) -> Result<Vec<u8>> {
        let options = Options {
            fontdb: Arc::clone(&FONTS),
            ..Options::default()
        };
        let tree = Tree::from_str(&self.svg, &options)
            .map_err(Error::internal::<usvg::Error>("rasterise a figure"))?;
        let (width, height) = (self.width * PNG_SCALE, self.height * PNG_SCALE);
        let mut pixels = tiny_skia::Pixmap::new(width, height)
            .ok_or_else(|| format!("{width} x {height} pixels are too many"))
            .map_err(Error::internal("rasterise a figure"))?;
        let scale = tiny_skia::Transform::from_scale(PNG_SCALE as f32, PNG_SCALE as f32);
        render(&tree, scale, &mut pixels.as_mut());
        pixels
            .encode_png()
            .map_err(Error::internal("write a PNG file"))
    }

    /// The files of a figure: one that ends in `.svg` or `.png`, or in a folder both `<name>.svg` and
    /// `<name>.png`.
    ///
    /// # Errors
    /// When the name has another ending.
    pub(crate) fn files(output: &Path, name: &str) -> Result<Vec<PathBuf>> {
        if output.as_os_str() == "-" {
            return Err(Error::Input(
                "a figure has a name that ends in .svg or .png (or give a folder for both)".into(),
            ));
        }
        let ending = output.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        let files = match ending.as_deref().and_then(std::ffi::OsStr::to_str) {
            Some("svg" | "png") => vec![output.to_owned()],
            Some(other) if !output.is_dir() => {
                return Err(Error::Input(format!(
                    "cannot draw '{}': a figure is .svg or .png, not .{other} (or give a folder for both)",
                    readable(output)
                )));
            }
            _ => ["svg", "png"]
                .map(|ending| output.join(format!("{name}.{ending}")))
                .to_vec(),
        };
        Ok(files)
    }

    /// Writes the drawing to its [`files`](Self::files), and returns them. A folder is created. With `force`, they may
    /// replace others, but none of `inputs`, what the command reads.
    pub(crate) fn save(
        &self,
        output: &Path,
        name: &str,
        force: bool,
        inputs: &[PathBuf],
    ) -> Result<Vec<PathBuf>> {
        let files = Self::files(output, name)?;
        if files.len() > 1 {
            std::fs::create_dir_all(output).map_err(Error::io("create", output))?;
        }
        // All are looked at before the first is written.
        let outputs = (files.iter())
            .map(|file| Output::at(file, force, inputs))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        for (file, output) in files.iter().zip(outputs) {
            let is_png = file
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
            if is_png {
                output.write(".galmorph-figure-", &self.png()?)?;
            } else {
                output.write(".galmorph-figure-", self.svg.as_bytes())?;
            }
        }
        Ok(files)
    }
}
