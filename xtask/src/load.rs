//! `cargo xtask load`: many clients at once against the built program's server, to see that nothing is lost, that memory does not grow,
//! and how long answers take.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trimtab::{At, Error, Result};

/// How long one answer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);
/// Answers to each client until caches and buffers have their size.
const WARM: u64 = 3;
/// Longest run, in seconds.
const SECONDS_MAX: u64 = 3600;

#[derive(clap::Args)]
pub struct Args {
    /// The program
    #[arg(long, value_name = "FILE", default_value = "target/release/trimtab")]
    program: PathBuf,
    /// Clients that ask at once, each as soon as it is answered
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=500))]
    clients: u64,
    /// For how long they ask
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Longest answer, in tokens
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1000))]
    tokens: u64,
    /// File of vectors of `--model harbor`; every second request is steered along it
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// File for the figures, JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The server; it ends with the value.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(args: &Args) -> Result<Self> {
        let mut command = Command::new(&args.program);
        command.args(["serve", "--model", "harbor", "--port", "0", "--json", "--quiet"]);
        if let Some(vectors) = &args.vectors {
            command.arg("--vectors").arg(format!("load={}", vectors.display()));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().at(&args.program)?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).at(&args.program)?;
        let told: Value = serde_json::from_str(&line).unwrap_or_default();
        let url = told["url"].as_str().ok_or_else(|| Error::new("the server said no address"))?;
        let address = url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
        Ok(Self { child, address })
    }

    /// What it holds in memory, MiB; nothing where the system does not tell.
    fn memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one client has seen.
#[derive(Default)]
struct Seen {
    /// Seconds of each answer.
    waits: Vec<f64>,
    /// Tokens answered.
    tokens: u64,
    /// What went wrong.
    lost: Vec<String>,
}

/// Lets clients ask, and says how they fared.
///
/// # Errors
/// A program that does not start, a lost answer, memory that grows.
pub fn run(args: &Args) -> Result<()> {
    let server = Server::start(args)?;
    let (over, answered, all) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(Vec::new()));
    let began = Instant::now();
    let mut memory = Vec::new();
    std::thread::scope(|scope| {
        for client in 0..args.clients {
            let (server, over, answered, all) = (&server, &over, &answered, &all);
            let asking = std::thread::Builder::new().stack_size(256 << 10);
            let asking = asking.spawn_scoped(scope, move || {
                let seen = ask_on(server, client, args, over, answered);
                all.lock().expect("no client panics with the lock").push(seen);
            });
            asking.expect("the system has threads");
        }
        while began.elapsed() < Duration::from_secs(args.seconds) {
            std::thread::sleep(Duration::from_millis(500));
            let is_warm = answered.load(Ordering::Relaxed) >= WARM * args.clients;
            memory.extend(server.memory().filter(|_| is_warm));
        }
        over.store(true, Ordering::Relaxed);
    });
    let seconds = began.elapsed().as_secs_f64();
    let all: Vec<Seen> = all.into_inner().expect("no client panics with the lock");
    let mut waits: Vec<f64> = all.iter().flat_map(|seen| seen.waits.iter().copied()).collect();
    waits.sort_by(f64::total_cmp);
    let lost: Vec<&String> = all.iter().flat_map(|seen| &seen.lost).collect();
    let unanswered = all.iter().filter(|seen| seen.waits.is_empty()).count();
    let tokens: u64 = all.iter().map(|seen| seen.tokens).sum();
    let quantile = |q: f64| waits.get(((waits.len() as f64 * q) as usize).min(waits.len().saturating_sub(1))).copied();
    let mean = |part: &[f64]| (!part.is_empty()).then(|| part.iter().sum::<f64>() / part.len() as f64);
    let third = memory.len() / 3;
    let (early, late) = (mean(&memory[..third]), mean(&memory[memory.len() - third..]));
    let figures = json!({
        "clients": args.clients,
        "seconds": seconds,
        "answers": waits.len(),
        "lost": lost.len(),
        "clients_without_an_answer": unanswered,
        "tokens_per_second": tokens as f64 / seconds,
        "p50_seconds": quantile(0.5),
        "p99_seconds": quantile(0.99),
        "longest_seconds": waits.last(),
        "memory_mib": { "first_third": early, "last_third": late, "highest": memory.iter().copied().reduce(f64::max) },
    });
    eprintln!("{figures:#}");
    if let Some(out) = &args.out {
        std::fs::write(out, format!("{figures:#}\n")).at(out)?;
    }
    lost.iter().take(5).for_each(|what| eprintln!("lost: {what}"));
    if !lost.is_empty() || waits.is_empty() {
        return Err(Error::new(format!("{} of {} answers were lost", lost.len(), waits.len() + lost.len())));
    }
    match early.zip(late) {
        Some((early, late)) if late > early * 1.1 + 8.0 => {
            Err(Error::new(format!("memory grew from {early:.0} to {late:.0} MiB under an even load")))
        }
        Some(_) => Ok(()),
        None => {
            eprintln!("memory: not judged, for want of {WARM} answers to each client; give it more --seconds");
            Ok(())
        }
    }
}

/// Asks until time is over; what was asked before is waited for.
fn ask_on(server: &Server, client: u64, args: &Args, over: &AtomicBool, answered: &AtomicU64) -> Seen {
    let (mut seen, mut connection, mut number) = (Seen::default(), None, 0);
    while !over.load(Ordering::Relaxed) {
        number += 1;
        let stream = (client + number).is_multiple_of(2);
        let mut request = json!({
            "messages": [{ "role": "user", "content": format!("Give me some advice, number {client}.{number}.") }],
            "max_tokens": args.tokens, "seed": number, "stream": stream, "stream_options": { "include_usage": true },
        });
        if args.vectors.is_some() && number.is_multiple_of(2) {
            request["steering"] = json!([{ "vector": "load", "coef": 0.5, "layer": 3 }]);
        }
        let began = Instant::now();
        let answer = match &mut connection {
            Some(connection) => asked(connection, &server.address, &request, stream),
            None => connect(&server.address)
                .and_then(|new| asked(connection.insert(new), &server.address, &request, stream)),
        };
        match answer {
            Ok(tokens) => {
                answered.fetch_add(1, Ordering::Relaxed);
                seen.waits.push(began.elapsed().as_secs_f64());
                seen.tokens += tokens;
            }
            Err(what) => {
                seen.lost.push(what);
                connection = None;
            }
        }
    }
    seen
}

fn connect(address: &str) -> Result<BufReader<TcpStream>, String> {
    let stream = TcpStream::connect(address).map_err(|e| format!("no connection: {e}"))?;
    let limited = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    limited.map_err(|e| e.to_string())?;
    Ok(BufReader::new(stream))
}

/// One request over a connection that stays open; its tokens, if the answer is whole.
fn asked(connection: &mut BufReader<TcpStream>, address: &str, request: &Value, stream: bool) -> Result<u64, String> {
    let body = request.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let sent = connection.get_mut().write_all((head + &body).as_bytes());
    sent.map_err(|e| format!("not sent: {e}"))?;
    let (status, body) = reply(connection).map_err(|e| format!("no answer: {e}"))?;
    if status != 200 {
        return Err(format!("status {status}: {}", body.chars().take(200).collect::<String>()));
    }
    let usage: Option<Value> = if stream {
        let mut events = body.lines().filter_map(|line| line.strip_prefix("data: "));
        let last = events.clone().next_back();
        if last != Some("[DONE]") {
            return Err(format!("the stream ends with {last:?}"));
        }
        events.find_map(|event| serde_json::from_str::<Value>(event).ok().filter(|event| event["usage"].is_object()))
    } else {
        serde_json::from_str(&body).ok()
    };
    usage.and_then(|usage| usage["usage"]["completion_tokens"].as_u64()).ok_or_else(|| format!("no usage in {body}"))
}

/// Status and body of a reply, whose length is given or which comes in chunks.
fn reply(connection: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String)> {
    let cut = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the reply is cut off");
    let mut line = String::new();
    let mut next = |connection: &mut BufReader<TcpStream>| -> std::io::Result<String> {
        line.clear();
        if connection.read_line(&mut line)? == 0 { Err(cut()) } else { Ok(line.trim_end().to_owned()) }
    };
    let status = next(connection)?.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
    let (mut length, mut chunked) = (0, false);
    loop {
        let header = next(connection)?.to_ascii_lowercase();
        match header.split_once(':').map(|(name, value)| (name, value.trim())) {
            None => break,
            Some(("content-length", value)) => length = value.parse().map_err(|_| cut())?,
            Some(("transfer-encoding", value)) => chunked = value == "chunked",
            Some(_) => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            length = usize::from_str_radix(&next(connection)?, 16).map_err(|_| cut())?;
            connection.by_ref().take(length as u64).read_to_end(&mut body)?;
            next(connection)?;
            if length == 0 {
                break;
            }
        }
    } else {
        body.resize(length, 0);
        connection.read_exact(&mut body)?;
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
