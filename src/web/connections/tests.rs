//! Clients that are silent, slow, or many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);
const PATIENT: Limits =
    Limits { connections: 4, head: LONG, idle: LONG, write: LONG, closing: SHORT, closing_write: SHORT };

/// A server whose `/slow` takes three times as long as silence may last.
struct Server {
    address: SocketAddr,
    open: OpenConnections,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<io::Result<()>>>,
    runtime: Runtime,
}

impl Server {
    fn start(limits: Limits) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (stop, stopped) = oneshot::channel();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::new(listener, limits);
        let open = connections.open();
        let slow = async || {
            tokio::time::sleep(3 * SHORT).await;
            "slow"
        };
        let routes = Router::new().route("/quick", get(async || "quick")).route("/slow", get(slow));
        let routes = routes.layer(from_fn(at_work)).into_make_service_with_connect_info::<Activity>();
        let serving = runtime.spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            axum::serve(connections, routes).with_graceful_shutdown(stopped).await
        });
        Self { address, open, stop: Some(stop), serving: Some(serving), runtime }
    }

    fn send(&self, words: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        stream
    }

    fn end(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.open.close();
        let serving = self.serving.take().unwrap();
        self.runtime.block_on(async { tokio::time::timeout(LONG, serving).await }).unwrap().unwrap().unwrap();
    }
}

fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).map_or_else(|e| e.to_string(), |_| text)
}

#[test]
fn silence_ends_a_connection_and_work_does_not() {
    let server = Server::start(Limits { head: SHORT, idle: SHORT, ..PATIENT });
    let began = Instant::now();
    let slow = server.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    for words in ["GET /qui", ""] {
        assert!(!rest(server.send(words)).contains("HTTP"));
    }
    let kept = rest(server.send("GET /quick HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert!(kept.ends_with("\r\n\r\nquick"), "{kept}");
    assert!(rest(slow).ends_with("\r\n\r\nslow"));
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn a_head_in_drops_does_not_keep_a_connection() {
    let server = Server::start(Limits { head: SHORT, ..PATIENT });
    let began = Instant::now();
    let mut stream = server.send("GET /quick HTTP/1.1\r\n");
    while began.elapsed() < LONG / 2 && stream.write_all(b"a").is_ok() {
        std::thread::sleep(SHORT / 10);
    }
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn silent_connections_do_not_keep_others_out() {
    let server = Server::start(PATIENT);
    let silent: Vec<TcpStream> = (0..10).map(|_| server.send("GET /qui")).collect();
    let answer = rest(server.send("GET /quick HTTP/1.0\r\n\r\n"));
    assert!(answer.ends_with("\r\n\r\nquick"), "{answer}");
    drop(silent);
    // Where all work, one more waits for its turn.
    let busy: Vec<TcpStream> = (0..9).map(|_| server.send("GET /slow HTTP/1.0\r\n\r\n")).collect();
    for answer in busy.into_iter().map(rest) {
        assert!(answer.ends_with("\r\n\r\nslow"), "{answer}");
    }
}

#[test]
fn the_end_waits_for_answers_and_not_for_heads() {
    let mut server = Server::start(PATIENT);
    let (half, silent) = (server.send("POST /"), server.send(""));
    let slow = server.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    let working = |open: &OpenConnections| open.all().iter().any(|one| one.lock().requests == 1);
    while !working(&server.open) {
        std::thread::sleep(SHORT / 20);
    }
    let began = Instant::now();
    server.end();
    assert!(began.elapsed() < LONG / 2);
    assert!(![half, silent].map(rest).iter().any(|text| text.contains("HTTP")));
    assert!(rest(slow).ends_with("\r\n\r\nslow"));
}

#[test]
fn a_client_that_reads_nothing_is_left() {
    let activity = {
        let since = tokio::time::Instant::now();
        let state =
            State { requests: 1, begun: false, stalled: None, closing: false, since, until: since + LONG, waker: None };
        Activity(Arc::new(Shared { limits: PATIENT, state: Mutex::new(state) }))
    };
    let cx = Context::from_waker(Waker::noop());
    assert_eq!(activity.until(&cx), None, "a request is worked on");
    activity.said(false);
    let until = activity.until(&cx).unwrap();
    activity.said(false);
    assert_eq!(activity.until(&cx), Some(until), "the first refusal counts");
    activity.lock().closing = true;
    assert_eq!(activity.until(&cx), Some(until - LONG + SHORT), "the end of a server waits less");
    activity.lock().closing = false;
    activity.said(true);
    assert_eq!(activity.until(&cx), None);
}
