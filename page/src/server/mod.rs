//! Connections: how many there may be, and how long each may take for what.
//!
//! | what | limit |
//! |---|---|
//! | connections at a time | 256; more are closed at once |
//! | a request's head | 16 kB, 64 headers, 10 s |
//! | a request's body | 16 kB, 10 s |
//! | an answer | 20 s until it begins |
//! | a client that takes nothing and sends nothing | 30 s |
//! | a connection | an hour |
//!
//! hyper alone, without a framework above it: these limits are settings of hyper's own connections, and a page of this
//! size needs no more than a `match` to find a view.

mod listener;
mod stall;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioTimer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, interval, timeout};

use crate::answer::Body;
use crate::routes::App;
use crate::{Arguments, Failure};
use galmorph_output::Endpoint;
use listener::{Listener, Stream};
use stall::{Progress, Watched};

const MOST_CONNECTIONS: usize = 256;
const LONGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
const HEAD_TIME: Duration = Duration::from_secs(10);
const STALLED: Duration = Duration::from_secs(30);
const OLDEST: Duration = Duration::from_hours(1);
/// How long the end waits for answers that have begun.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Questions, files and pictures have threads of their own, so many at a time.
const THREADS: usize = 8;

/// The page, ready to be served.
pub struct Server {
    app: Arc<App>,
    listener: Listener,
    endpoint: Endpoint,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    /// Opens the catalog and listens. Requests wait until [`run`](Self::run).
    pub fn bind(arguments: &Arguments) -> Result<Self, Failure> {
        let internal = |error| Failure::Internal("cannot start", error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(THREADS)
            .thread_name("page")
            .build()
            .map_err(internal)?;
        let (listener, endpoint) =
            runtime.block_on(async { Listener::bind(&arguments.listen).await })?;
        let app = App::new(arguments, &endpoint)?;
        Ok(Self {
            app: Arc::new(app),
            listener,
            endpoint,
            runtime,
        })
    }

    /// Where it listens: with the port that the system chose, if it was asked to.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Serves until SIGTERM or SIGINT, and then what was begun.
    pub fn run(self) -> Result<(), Failure> {
        let Self {
            app,
            listener,
            endpoint,
            runtime,
        } = self;
        let outcome = runtime.block_on(async {
            log::info!(
                "the page of '{}' is at {endpoint}{}",
                app.catalog.name(),
                app.base()
            );
            serve(app, &listener).await
        });
        // A question that is still being asked needs no answer any more.
        runtime.shutdown_background();
        listener.remove();
        outcome
    }
}

async fn serve(app: Arc<App>, listener: &Listener) -> Result<(), Failure> {
    let internal = |error| Failure::Internal("cannot handle signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(internal)?;
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let (drain, draining) = watch::channel(false);
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // Such as too few file descriptors: the next accept would fail at once, too.
                log::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            drop(stream);
            continue;
        };
        let (app, draining) = (Arc::clone(&app), draining.clone());
        tokio::spawn(async move {
            converse(app, stream, draining).await;
            drop(place);
        });
    }
    log::info!("stopping; finishing what was begun");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let _ = drain.send(true);
    let all = u32::try_from(MOST_CONNECTIONS).expect("256 is small");
    if timeout(DRAIN_TIME, places.acquire_many(all)).await.is_err() {
        log::warn!("some answers were not finished in time");
    }
    Ok(())
}

async fn converse(app: Arc<App>, stream: Stream, mut draining: watch::Receiver<bool>) {
    let progress = Progress::new();
    let service = service_fn(move |request: Request<Incoming>| {
        let app = Arc::clone(&app);
        async move { Ok::<Response<Body>, Infallible>(app.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .half_close(false)
        .serve_connection(Watched::new(stream, progress.clone()), service);
    let mut connection = pin!(connection);
    let began = Instant::now();
    let mut look = interval(Duration::from_secs(5));
    let mut is_draining = *draining.borrow_and_update();
    loop {
        tokio::select! {
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    log::debug!("a connection ended: {error}");
                }
                return;
            }
            _ = draining.changed(), if !is_draining => is_draining = true,
            _ = look.tick() => {
                if progress.idle_for() > STALLED {
                    log::debug!("a client that does nothing is disconnected");
                    return;
                }
            }
        }
        if is_draining || began.elapsed() > OLDEST {
            connection.as_mut().graceful_shutdown();
        }
    }
}
