//! The style, the script and the icon, which are parts of the program.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Response, StatusCode};

use crate::answer::{Body, full, with_type};

pub(crate) const STYLE: &str = include_str!("../assets/style.css");

/// A name, a media type and the content.
const ALL: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", STYLE),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/page.js"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("../assets/icon.svg"),
    ),
];

/// All of them, under an address that changes with their content: so browsers keep them for good.
pub(crate) struct Assets {
    tag: String,
}

impl Assets {
    pub(crate) fn new() -> Self {
        let mut hasher = blake3::Hasher::new();
        for (_, _, content) in ALL {
            hasher.update(content.as_bytes());
        }
        Self {
            tag: hasher.finalize().to_hex()[..12].to_owned(),
        }
    }

    pub(super) fn address(&self, base: &str, name: &str) -> String {
        format!("{base}/assets/{}/{name}", self.tag)
    }

    pub(crate) fn get(&self, tag: &str, name: &str) -> Option<Response<Body>> {
        let (_, media_type, content) = ALL.into_iter().find(|(known, ..)| *known == name)?;
        if tag != self.tag {
            return None;
        }
        let mut response = with_type(StatusCode::OK, media_type, full(content));
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(CACHE_CONTROL, forever);
        Some(response)
    }
}
