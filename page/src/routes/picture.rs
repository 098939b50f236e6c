//! Pictures of galaxies: thumbnails, whole images, and what the network saw.

use galmorph_catalog::Reader;
use hyper::header::IF_NONE_MATCH;
use hyper::{Response, StatusCode};

use super::{App, Asked};
use crate::answer::{self, Body};
use crate::catalog::Deadline;
use crate::picture::{Kind, NotShown, Picture, PictureError, Shown, placeholder};
use crate::problem::Problem;

impl App {
    pub(super) fn picture(
        &self,
        asked: &Asked,
        id: i64,
        kind: Kind,
        deadline: &Deadline,
    ) -> Result<Response<Body>, Problem> {
        let look = |catalog: &Reader| Shown::of(catalog, id);
        let drawn = self.catalog.ask(deadline, look).and_then(|mut shown| {
            let tag = shown.tag(kind);
            let quoted = format!("\"{tag}\"");
            let known = asked.headers.get(IF_NONE_MATCH);
            if known.is_some_and(|known| known.as_bytes() == quoted.as_bytes()) {
                return Ok(answer::unchanged(&quoted));
            }
            let kept = (kind == Kind::Thumbnail)
                .then(|| self.cache.get(&tag))
                .flatten();
            let picture = if let Some(bytes) = kept {
                Picture {
                    bytes,
                    media_type: "image/jpeg",
                }
            } else {
                let picture = shown.draw(kind)?;
                if kind == Kind::Thumbnail {
                    self.cache.put(&tag, &picture.bytes);
                }
                picture
            };
            Ok(answer::picture(picture, &quoted))
        });
        match drawn {
            Ok(response) => Ok(response),
            Err(PictureError::NotShown(why)) => {
                let status = match why {
                    NotShown::NoRow | NotShown::Gone => StatusCode::NOT_FOUND,
                    NotShown::Changed => StatusCode::CONFLICT,
                    NotShown::NotWatched => StatusCode::FORBIDDEN,
                    NotShown::Unreadable | NotShown::Undecodable => {
                        StatusCode::UNPROCESSABLE_ENTITY
                    }
                };
                Ok(answer::drawing(status, placeholder(why.why())))
            }
            Err(PictureError::Ask(error)) => Err(error.into()),
        }
    }
}
