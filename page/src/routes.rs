//! Which address is which view.

mod picture;
mod rejected;
mod review;
mod why;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use galmorph_catalog::{Place, Reader, Turn};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use maud::Markup;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer::{Body, full, harden, html, plain};
use crate::catalog::{AskError, Catalog, Deadline};
use crate::guard::Guard;
use crate::picture::{Cache, Kind};
use crate::problem::{Problem, resolve};
use crate::selection::{Query, Selection};
use crate::views::{self, Assets, Explanation, Frame, OverviewCache};
use crate::why::Why;
use crate::{Arguments, Failure, download};
use galmorph_output::Endpoint;

/// The galaxies of a page of the gallery.
pub(crate) const PAGE: usize = 60;
/// How long an answer may take until it begins.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// How long a form may take to arrive, and how long it may be.
const FORM_TIME: Duration = Duration::from_secs(10);
const LONGEST_FORM: usize = 16 * 1024;
/// How many pictures are drawn, and how many files written, at a time. The telescope goes first.
const DRAWN: usize = 2;

/// All that answers need.
pub(crate) struct App {
    pub(crate) catalog: Catalog,
    base: String,
    guard: Guard,
    assets: Assets,
    cache: Cache,
    overview: OverviewCache,
    drawing: Semaphore,
    downloads: Semaphore,
    why: Why,
}

/// A request, read.
pub(super) struct Asked {
    pub(super) method: Method,
    /// Below the base path, without the first slash.
    pub(super) path: String,
    pub(super) query: Query,
    pub(super) form: Query,
    pub(super) headers: HeaderMap,
}

impl Asked {
    /// The reviewer's name, from their cookie.
    pub(super) fn reviewer(&self) -> Option<String> {
        let cookies = self.headers.get_all(COOKIE).iter();
        let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
        let mut cookies = cookies.flat_map(|cookies| cookies.split(';'));
        let value = cookies.find_map(|cookie| {
            cookie
                .trim()
                .strip_prefix(review::COOKIE_NAME)?
                .strip_prefix('=')
        })?;
        let mut pairs = form_urlencoded::parse(value.as_bytes());
        review::name(&pairs.next()?.0).ok()
    }
}

impl App {
    pub(crate) fn new(arguments: &Arguments, endpoint: &Endpoint) -> Result<Self, Failure> {
        // A catalog that can't be used is a fault of the start, not of the first visitor.
        Reader::open_current(&arguments.catalog)?;
        let of_systemd = || std::env::var_os("CACHE_DIRECTORY").map(PathBuf::from);
        let folder = arguments.cache.clone().or_else(of_systemd);
        let most = arguments.cache_size.saturating_mul(1 << 20);
        Ok(Self {
            catalog: Catalog::new(&arguments.catalog),
            base: arguments.base_path.clone(),
            guard: Guard::new(endpoint, &arguments.hosts),
            assets: Assets::new(),
            cache: Cache::new(folder.as_deref(), most),
            overview: OverviewCache::default(),
            drawing: Semaphore::new(DRAWN),
            downloads: Semaphore::new(DRAWN),
            why: Why::new(arguments.model.as_deref())?,
        })
    }

    /// The path of the page itself, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// What every page has around it.
    pub(super) fn frame<'a>(&'a self, asked: &Asked, tab: &'static str) -> Frame<'a> {
        Frame {
            base: &self.base,
            assets: &self.assets,
            catalog: self.catalog.name(),
            reviewer: asked.reviewer(),
            tab,
        }
    }

    /// Answers a request, whatever it is.
    pub(crate) async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        let mut response = match self.read(request).await {
            Ok(asked) => self.respond(asked).await,
            Err(problem) => plain(problem.status, &problem.text),
        };
        harden(&mut response);
        if is_head {
            *response.body_mut() = full(Vec::new());
        }
        response
    }

    /// Reads a request, if it may be answered.
    async fn read(&self, request: Request<Incoming>) -> Result<Asked, Problem> {
        let (head, body) = request.into_parts();
        self.guard.check(&head.method, &head.headers)?;
        if ![Method::GET, Method::HEAD, Method::POST].contains(&head.method) {
            return Err(Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "Pages are asked for with GET.",
            ));
        }
        let path = head.uri.path().strip_prefix(&*self.base);
        let path = path
            .and_then(|path| path.strip_prefix('/'))
            .ok_or_else(Problem::missing)?;
        let query = Query::parse(head.uri.query().unwrap_or_default()).map_err(Problem::bad)?;
        let form = if head.method == Method::POST {
            read_form(&head.headers, body).await?
        } else {
            Query::default()
        };
        Ok(Asked {
            path: path.to_owned(),
            method: if head.method == Method::HEAD {
                Method::GET
            } else {
                head.method
            },
            query,
            form,
            headers: head.headers,
        })
    }

    /// Answers on a thread of its own, within the time that there is.
    async fn respond(self: &Arc<Self>, asked: Asked) -> Response<Body> {
        let draws = asked.path.starts_with("thumbnail/")
            || asked.path.starts_with("image/")
            || asked.path.starts_with("views/");
        let deadline = Deadline::default();
        let frame = self.frame(&asked, "");
        let explains = why::Part::of(&asked);
        let work = async {
            if let Some(part) = explains {
                return self.explain(asked, part, &deadline).await;
            }
            let places = if draws {
                Some(&self.drawing)
            } else if asked.path == "download" {
                Some(&self.downloads)
            } else {
                None
            };
            let _place = match places {
                Some(places) => places.acquire().await.ok(),
                None => None,
            };
            let (app, deadline) = (Arc::clone(self), deadline.clone());
            tokio::task::spawn_blocking(move || app.dispatch(asked, &deadline)).await
        };
        match timeout(ANSWER_TIME, work).await {
            Ok(Ok(response)) => response,
            // A panic, which the thread's own message has described.
            Ok(Err(_)) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "This is a fault of galmorph-page. Its log says more.",
            ),
            Err(_) => {
                deadline.expire();
                let problem = match explains {
                    Some(_) => why::too_slow(),
                    None => Problem::from(AskError::TooLong),
                };
                html(problem.status, views::problem(&frame, &problem))
            }
        }
    }

    fn dispatch(&self, asked: Asked, deadline: &Deadline) -> Response<Body> {
        let frame = self.frame(&asked, "");
        match self.find(asked, deadline) {
            Ok(response) => response,
            Err(problem) => {
                let page = views::problem(&frame, &problem);
                html(problem.status, page)
            }
        }
    }

    fn find(&self, asked: Asked, deadline: &Deadline) -> Result<Response<Body>, Problem> {
        let path = asked.path.clone();
        let parts: Vec<&str> = path.split('/').collect();
        let is_post = asked.method == Method::POST;
        match (&*parts, is_post) {
            ([""], false) => self.overview(&asked, deadline),
            (["galaxies"], false) => self.gallery(asked, deadline),
            (["galaxy", id], false) => self.galaxy(&asked, number(id)?, deadline),
            (["thumbnail", id], false) => {
                self.picture(&asked, number(id)?, Kind::Thumbnail, deadline)
            }
            (["image", id], false) => self.picture(&asked, number(id)?, Kind::Image, deadline),
            (["views", id], false) => self.picture(&asked, number(id)?, Kind::Views, deadline),
            (["rejected"], false) => self.rejected(asked, deadline),
            (["retry"], true) => self.retry(asked),
            (["review"], false) => self.review(asked, deadline),
            (["review"], true) => self.take_review(asked, deadline),
            (["reviewer"], true) => self.take_reviewer(asked),
            (["estimates"], false) => self.estimates(&asked, deadline),
            (["download"], false) => self.download(asked, deadline),
            (["assets", tag, name], false) => {
                self.assets.get(tag, name).ok_or_else(Problem::missing)
            }
            (["retry" | "reviewer"], false) => Err(Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This address takes forms alone.",
            )),
            (_, true) => Err(Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This address takes no forms.",
            )),
            _ => Err(Problem::missing()),
        }
    }

    fn overview(&self, asked: &Asked, deadline: &Deadline) -> Result<Response<Body>, Problem> {
        let data = self.overview.get(&self.catalog, deadline)?;
        Ok(page(views::overview(&self.frame(asked, "overview"), &data)))
    }

    fn gallery(&self, mut asked: Asked, deadline: &Deadline) -> Result<Response<Body>, Problem> {
        let frame = self.frame(&asked, "galaxies");
        let turn = turn(&mut asked.query)?;
        let selection = match Selection::of(asked.query) {
            Ok(selection) => selection,
            Err(fault) => return Err(Problem::bad(fault)),
        };
        self.catalog.ask(deadline, |catalog| {
            let filter = resolve(&selection, catalog)?;
            let found = catalog.page(&filter, None, &turn, PAGE)?;
            let galaxies = found.rows.into_iter().map(|row| {
                let words = row.digest.map(|digest| catalog.reviews(&digest));
                Ok((row, words.transpose()?.unwrap_or_default()))
            });
            let shown = views::Gallery {
                galaxies: galaxies.collect::<Result<_, Problem>>()?,
                previous: found.previous,
                next: found.next,
                is_first: turn == Turn::First,
                models: catalog.model_names()?,
            };
            Ok(page(views::gallery(&frame, &selection, &shown)))
        })
    }

    fn galaxy(
        &self,
        asked: &Asked,
        id: i64,
        deadline: &Deadline,
    ) -> Result<Response<Body>, Problem> {
        let frame = self.frame(asked, "galaxies");
        self.catalog.ask(deadline, |catalog| {
            let found = views::Galaxy::find(catalog, id)?.ok_or_else(Problem::missing)?;
            let why = self.why.objection(&found.row);
            let why = why.map_or(Explanation::Offered, Explanation::No);
            Ok(page(views::galaxy(&frame, &found, &why)))
        })
    }

    fn download(&self, mut asked: Asked, deadline: &Deadline) -> Result<Response<Body>, Problem> {
        let format = asked.query.take("format").unwrap_or_default();
        let selection = Selection::of(asked.query).map_err(Problem::bad)?;
        self.catalog.ask(deadline, |catalog| {
            download::response(catalog, &selection, &format)
        })
    }
}

fn page(markup: Markup) -> Response<Body> {
    html(StatusCode::OK, markup)
}

/// Which page is asked for.
pub(super) fn turn(query: &mut Query) -> Result<Turn, Problem> {
    let place = |word: Option<String>| {
        let place = word.map(|word| Place::from_word(&word).ok_or(()));
        place
            .transpose()
            .map_err(|()| Problem::bad("This address is incomplete: its place is none."))
    };
    let (after, before) = (place(query.take("after"))?, place(query.take("before"))?);
    Ok(match (after, before) {
        (Some(place), _) => Turn::After(place),
        (None, Some(place)) => Turn::Before(place),
        (None, None) => Turn::First,
    })
}

fn number(text: &str) -> Result<i64, Problem> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(Problem::missing)
}

/// Reads the values of a form.
async fn read_form(headers: &HeaderMap, body: Incoming) -> Result<Query, Problem> {
    use http_body_util::{BodyExt as _, Limited};
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if kind != Some("application/x-www-form-urlencoded") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Forms are sent as application/x-www-form-urlencoded.",
        ));
    }
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The form is too long.");
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > LONGEST_FORM) {
        return Err(too_long());
    }
    let collect = Limited::new(body, LONGEST_FORM).collect();
    let bytes = timeout(FORM_TIME, collect).await.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "The form did not arrive in time.",
        )
    })?;
    let bytes = bytes.map_err(|_| too_long())?.to_bytes();
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::bad("The form is no text."))?;
    Query::parse(text).map_err(Problem::bad)
}
