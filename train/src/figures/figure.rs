//! A finished drawing, and how it is saved.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use resvg::usvg::{self, Options, Tree, fontdb};
use resvg::{render, tiny_skia};

use super::chart::{BOLD, REGULAR};
use crate::artefact;
use crate::error::{Error, Result};

/// Pixels of the PNG for one unit of the drawing: sharp in print and on dense screens.
const PNG_SCALE: u32 = 2;

/// The fonts to rasterise with: the built-in ones alone, so that every machine draws the same.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    for font in [REGULAR, BOLD] {
        fonts.load_font_data(font().to_vec());
    }
    Arc::new(fonts)
});

/// A drawing.
#[derive(Debug, Clone)]
pub struct Figure {
    svg: String,
    width: u32,
    height: u32,
}

impl Figure {
    pub(super) const fn new(svg: String, width: u32, height: u32) -> Self {
        Self { svg, width, height }
    }

    /// The drawing as an SVG document: text is text, pictures are within it.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// Width and height of the drawing, in CSS pixels.
    pub const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The drawing as a PNG file of twice its [size](Self::size).
    pub fn png(&self) -> Result<Vec<u8>> {
        let failed = |error: String| Error::Artefact(format!("cannot draw a figure: {error}"));
        let options = Options {
            fontdb: Arc::clone(&FONTS),
            ..Options::default()
        };
        let tree = Tree::from_str(&self.svg, &options)
            .map_err(|error: usvg::Error| failed(error.to_string()))?;
        let (width, height) = (self.width * PNG_SCALE, self.height * PNG_SCALE);
        let mut pixels = tiny_skia::Pixmap::new(width, height)
            .ok_or_else(|| failed(format!("{width} x {height} pixels are too many")))?;
        let scale = tiny_skia::Transform::from_scale(PNG_SCALE as f32, PNG_SCALE as f32);
        render(&tree, scale, &mut pixels.as_mut());
        pixels
            .encode_png()
            .map_err(|error| failed(error.to_string()))
    }

    /// Writes the drawing: a file that ends in `.svg` or `.png` as that, anything else as a folder
    /// that is to hold both, `<name>.svg` and `<name>.png`. Returns what was written.
    pub fn save(&self, output: &Path, name: &str) -> Result<Vec<PathBuf>> {
        let ending = output.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        let files = match ending.as_deref().and_then(std::ffi::OsStr::to_str) {
            Some("svg" | "png") => vec![output.to_owned()],
            Some(other) if !output.is_dir() => {
                return Err(Error::Input(format!(
                    "cannot draw '{}': a figure is .svg or .png, not .{other} (or give a folder for both)",
                    output.display()
                )));
            }
            _ => {
                std::fs::create_dir_all(output).map_err(Error::io("create", output))?;
                ["svg", "png"]
                    .map(|ending| output.join(format!("{name}.{ending}")))
                    .to_vec()
            }
        };
        for file in &files {
            let is_png = file
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
            if is_png {
                artefact::write(file, &self.png()?)?;
            } else {
                artefact::write(file, self.svg.as_bytes())?;
            }
        }
        Ok(files)
    }
}
