//! Answers, and the headers that all of them have.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION,
};
use hyper::{Response, StatusCode};
use maud::Markup;

use crate::picture::Picture;

pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// Nothing but what comes from here; nothing inline; no frame around it; forms lead here alone.
const POLICY: &str = "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'; connect-src 'self'";

/// A body that is there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    let never = |fault: Infallible| match fault {};
    Full::new(bytes.into()).map_err(never).boxed()
}

pub(crate) fn with_type(
    status: StatusCode,
    media_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

pub(crate) fn html(status: StatusCode, page: Markup) -> Response<Body> {
    with_type(status, "text/html; charset=utf-8", full(page.into_string()))
}

pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    with_type(
        status,
        "text/plain; charset=utf-8",
        full(format!("{text}\n")),
    )
}

/// A picture, which is asked for again each time: its file may be gone by then.
pub(crate) fn picture(picture: Picture, tag: &str) -> Response<Body> {
    let mut response = with_type(StatusCode::OK, picture.media_type, full(picture.bytes));
    revalidated(&mut response, tag);
    response
}

pub(crate) fn unchanged(tag: &str) -> Response<Body> {
    let mut response = Response::new(full(Vec::new()));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    revalidated(&mut response, tag);
    response
}

fn revalidated(response: &mut Response<Body>, tag: &str) {
    let headers = response.headers_mut();
    let tag = HeaderValue::from_str(tag).expect("a tag is made of digits");
    headers.insert(ETAG, tag);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

pub(crate) fn drawing(status: StatusCode, svg: String) -> Response<Body> {
    with_type(status, "image/svg+xml", full(svg))
}

/// Leads to another address of this page.
pub(crate) fn see_other(address: &str) -> Response<Body> {
    let mut response = plain(StatusCode::SEE_OTHER, "See the page that follows.");
    let address = HeaderValue::from_str(address).expect("an address is made of plain characters");
    response.headers_mut().insert(LOCATION, address);
    response
}

/// What browsers are told with every answer.
pub(crate) fn harden(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // With less, forms would be sent without their origin.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// A file, read as it is taken. It was just written, so a read waits for no disk.
pub(crate) fn file_body(file: File, length: u64) -> Body {
    FileBody { file, left: length }.boxed()
}

struct FileBody {
    file: File,
    left: u64,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; self.left.min(64 * 1024) as usize];
        let read = self.file.read_exact(&mut piece).map(|()| {
            self.left -= piece.len() as u64;
            Frame::data(piece.into())
        });
        Poll::Ready(Some(read))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
