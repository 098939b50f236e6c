//! A galaxy with the map of what its answer depends on.
//!
//! To look a row up takes milliseconds, and a map up to some seconds. So who asks for a map that isn't there waits for their
//! turn without a thread, and one thread draws.

use std::sync::Arc;

use hyper::header::{HeaderValue, IF_NONE_MATCH, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};
use tokio::task::{JoinError, spawn_blocking};

use super::{App, Asked, number};
use crate::answer::{self, Body, html};
use crate::catalog::Deadline;
use crate::picture::placeholder;
use crate::problem::Problem;
use crate::views::{self, Explanation, Galaxy};
use crate::why::{Job, Map, NoMap, WhyError};

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The galaxy's page.
    Page,
    /// What the network saw.
    View,
    /// The map over it.
    Map,
}

/// What was looked up.
struct Found {
    galaxy: Galaxy,
    job: Result<Job, NoMap>,
}

/// One who waits for an answer. The work ends with them.
struct Visitor {
    deadline: Deadline,
    is_answered: bool,
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if !self.is_answered {
            log::debug!("nobody waits for a map any more");
            self.deadline.expire();
        }
    }
}

impl Part {
    /// The galaxy and the part of it that a request is for, if it is for one.
    pub(super) fn of(asked: &Asked) -> Option<(i64, Self)> {
        let parts: Vec<&str> = asked.path.split('/').collect();
        let (id, part) = match &*parts {
            ["galaxy", id, "why"] => (id, Self::Page),
            ["galaxy", id, "why", "view"] => (id, Self::View),
            ["galaxy", id, "why", "map"] => (id, Self::Map),
            _ => return None,
        };
        let id = number(id).ok()?;
        (asked.method == Method::GET).then_some((id, part))
    }
}

impl App {
    /// Answers with a part of a map, or says why there is none. If this future is dropped, the work ends.
    pub(super) async fn explain(
        self: &Arc<Self>,
        asked: Asked,
        part: (i64, Part),
        deadline: &Deadline,
    ) -> Result<Response<Body>, JoinError> {
        let mut visitor = Visitor {
            deadline: deadline.clone(),
            is_answered: false,
        };
        let response = self.explanation(asked, part, deadline).await;
        visitor.is_answered = true;
        response
    }

    async fn explanation(
        self: &Arc<Self>,
        asked: Asked,
        (id, part): (i64, Part),
        deadline: &Deadline,
    ) -> Result<Response<Body>, JoinError> {
        let (app, question) = (Arc::clone(self), deadline.clone());
        let found = spawn_blocking(move || app.look_up(id, &question)).await?;
        let found = match found {
            Ok(found) => found,
            Err(problem) => return Ok(self.problem(&asked, &problem)),
        };
        let map = match found.job {
            Err(why) => Err(why),
            Ok(job) => {
                if let Some(map) = self.why.known(&job.key) {
                    Ok(map)
                } else {
                    let Some(place) = self.why.desk.enter() else {
                        return Ok(self.busy(&asked));
                    };
                    let turn = place.turn().await;
                    let (app, deadline) = (Arc::clone(self), deadline.clone());
                    let draw = move || {
                        let map = app.why.draw(&job, &deadline);
                        // Only now is the next one's turn, even if nobody takes this map.
                        drop(turn);
                        map
                    };
                    spawn_blocking(draw).await?
                }
            }
        };
        Ok(match part {
            Part::Page => {
                let why = map.map_or_else(Explanation::No, Explanation::Map);
                let frame = self.frame(&asked, "galaxies");
                html(StatusCode::OK, views::galaxy(&frame, &found.galaxy, &why))
            }
            Part::View | Part::Map => match map {
                Ok(map) => picture(&asked, part, &map),
                Err(why) => answer::drawing(why.status(), placeholder("there is no map")),
            },
        })
    }

    fn look_up(&self, id: i64, deadline: &Deadline) -> Result<Found, Problem> {
        self.catalog.ask(deadline, |catalog| {
            let galaxy = Galaxy::find(catalog, id)?.ok_or_else(Problem::missing)?;
            let job = match self.why.job(catalog, &galaxy.row) {
                Ok(job) => Ok(job),
                Err(WhyError::No(why)) => Err(why),
                Err(WhyError::Ask(error)) => return Err(error.into()),
            };
            Ok(Found { galaxy, job })
        })
    }

    fn problem(&self, asked: &Asked, problem: &Problem) -> Response<Body> {
        html(
            problem.status,
            views::problem(&self.frame(asked, ""), problem),
        )
    }

    fn busy(&self, asked: &Asked) -> Response<Body> {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Others are waiting for their maps. Try again in a few seconds.",
        );
        let mut response = self.problem(asked, &problem);
        let seconds = HeaderValue::from_static("5");
        response.headers_mut().insert(RETRY_AFTER, seconds);
        response
    }
}

/// What is said when a map isn't there in time.
pub(super) fn too_slow() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "The map was not there within 20 s. If others had theirs drawn meanwhile, try again. For a large model on a slow \
         machine, galmorph-train visualise why takes the time that it needs.",
    )
}

fn picture(asked: &Asked, part: Part, map: &Map) -> Response<Body> {
    let picture = if part == Part::View {
        &map.view
    } else {
        &map.over
    };
    let tag = format!("\"{}\"", &blake3::hash(&picture.bytes).to_hex()[..32]);
    let known = asked.headers.get(IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return answer::unchanged(&tag);
    }
    answer::picture(picture.clone(), &tag)
}
