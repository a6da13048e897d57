//! A limit of how many connections there are, and of how long each may keep the server waiting.
//!
//! While a request is worked on, its connection may be silent; at any other time silence ends it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// How often a full house looks again for a connection that does nothing.
const LOOK: Duration = Duration::from_millis(50);

/// How long a connection may do nothing before it must make room for another. The head of one that was only just accepted may
/// have come already, unread.
const UNDISTURBED: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many at once. One more takes the place of one that does nothing; where all work, it waits.
    pub connections: usize,
    /// For a new connection's first byte, and for the rest of a request's head after its first byte.
    pub head: Duration,
    /// Between an answer and the next request.
    pub idle: Duration,
    /// For a client to take what was sent to it.
    pub write: Duration,
    /// For the rest of a head when the server ends.
    pub closing: Duration,
    /// For a client to take what was sent to it when the server ends.
    pub closing_write: Duration,
}

/// Limits under which 1,024 open files, the usual number, suffice.
pub const LIMITS: Limits = Limits {
    connections: 600,
    head: Duration::from_secs(10),
    idle: Duration::from_secs(30),
    write: Duration::from_secs(60),
    closing: Duration::from_secs(1),
    closing_write: Duration::from_secs(5),
};

#[derive(Debug)]
pub struct Connections {
    listener: TcpListener,
    limits: Limits,
    free: Arc<Semaphore>,
    open: OpenConnections,
}

#[derive(Debug, Clone, Default)]
pub struct OpenConnections(Arc<Mutex<Vec<Weak<Shared>>>>);

/// What a connection does, for all that belongs to it.
#[derive(Debug, Clone)]
pub struct Activity(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    requests: usize,
    /// A part of the next head has come.
    begun: bool,
    /// Since when the client has not taken what was sent.
    stalled: Option<Instant>,
    closing: bool,
    /// Since when it does nothing.
    since: Instant,
    /// When silence ends the connection.
    until: Instant,
    waker: Option<Waker>,
}

/// A request of a connection is worked on as long as this lives.
#[derive(Debug)]
pub struct Working(Activity);

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    activity: Activity,
    sleep: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connections {
    pub fn new(listener: TcpListener, limits: Limits) -> Self {
        let free = Arc::new(Semaphore::new(limits.connections));
        Self { listener, limits, free, open: OpenConnections::default() }
    }

    pub fn open(&self) -> OpenConnections {
        self.open.clone()
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = self.free.clone().try_acquire_owned() {
                return place;
            }
            self.open.dismiss_one();
            if let Ok(Ok(place)) = tokio::time::timeout(LOOK, self.free.clone().acquire_owned()).await {
                return place;
            }
        }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let place = self.place().await;
        let since = Instant::now();
        let until = since + self.limits.head;
        let state = State { requests: 0, begun: false, stalled: None, closing: false, since, until, waker: None };
        let activity = Activity(Arc::new(Shared { limits: self.limits, state: Mutex::new(state) }));
        self.open.add(&activity);
        (Connection { stream, activity, sleep: Box::pin(tokio::time::sleep_until(until)), _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl OpenConnections {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.0.lock().expect("a list is never left broken")
    }

    fn add(&self, activity: &Activity) {
        let mut open = self.lock();
        open.retain(|one| one.strong_count() > 0);
        open.push(Arc::downgrade(&activity.0));
    }

    fn all(&self) -> Vec<Activity> {
        self.lock().iter().filter_map(Weak::upgrade).map(Activity).collect()
    }

    /// Ends the connection whose silence would end it first, if any is silent.
    fn dismiss_one(&self) {
        let now = Instant::now();
        let silent = |activity: &Activity| {
            let state = activity.lock();
            let silent = state.requests == 0 && state.stalled.is_none() && state.until > now;
            (silent && state.since + UNDISTURBED <= now).then_some(state.until)
        };
        let first = self.all().into_iter().filter_map(|a| Some((silent(&a)?, a))).min_by_key(|(until, _)| *until);
        if let Some((_, activity)) = first {
            let mut state = activity.lock();
            state.until = now;
            state.wake();
        }
    }

    /// The server ends: a head that has begun gets a moment more, silence none.
    pub fn close(&self) {
        for activity in self.all() {
            let mut state = activity.lock();
            state.closing = true;
            if state.requests == 0 && state.stalled.is_none() {
                state.until = state.until.min(Instant::now() + activity.0.limits.closing);
            }
            state.wake();
        }
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Activity {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("a connection's state is never left broken")
    }

    fn work(&self) -> Working {
        self.lock().requests += 1;
        Working(self.clone())
    }

    fn heard(&self) {
        let mut state = self.lock();
        if state.requests == 0 && !state.begun {
            state.begun = true;
            if !state.closing {
                state.until = Instant::now() + self.0.limits.head;
            }
        }
    }

    /// The client has taken bytes, or takes none at the moment.
    fn said(&self, taken: bool) {
        let mut state = self.lock();
        let now = Instant::now();
        if taken {
            state.stalled = None;
            state.until = now + self.0.limits.idle;
        } else {
            state.stalled.get_or_insert(now);
        }
    }

    /// When the connection ends if nothing happens before; asks to be woken when this changes.
    fn until(&self, cx: &Context<'_>) -> Option<Instant> {
        let mut state = self.lock();
        state.waker = Some(cx.waker().clone());
        match state.stalled {
            Some(since) if state.closing => Some(since + self.0.limits.write.min(self.0.limits.closing_write)),
            Some(since) => Some(since + self.0.limits.write),
            None => (state.requests == 0).then_some(state.until),
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests -= 1;
        state.begun = false;
        state.since = Instant::now();
        state.until = state.since + self.0.0.limits.idle;
        state.wake();
    }
}

impl Connected<IncomingStream<'_, Connections>> for Activity {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().activity.clone()
    }
}

/// Keeps a request's connection open until it is answered. An answer in pieces takes the [`Working`] along.
pub async fn at_work(ConnectInfo(activity): ConnectInfo<Activity>, mut request: Request, next: Next) -> Response {
    let working = Arc::new(activity.work());
    request.extensions_mut().insert(working.clone());
    let response = next.run(request).await;
    drop(working);
    response
}

impl Connection {
    /// An error once the connection was silent for too long.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(until) = self.activity.until(cx) else { return Poll::Pending };
        if self.sleep.deadline() != until {
            self.sleep.as_mut().reset(until);
        }
        self.sleep.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }

    fn wrote(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.said(wrote.is_ready());
        if wrote.is_pending() { self.overdue(cx).map(Err) } else { wrote }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.overdue(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() && buf.filled().len() > before {
            self.activity.heard();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.wrote(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
