//! `serve`: a model behind OpenAI's chat and text completions, with steering per request, and a page for browsers.
//!
//! ```text
//! a connection -> request.rs: words to a question -> batch.rs: the thread that owns the model -> reply.rs: chunks or a whole
//! ```
//!
//! Requests that wait are answered in one batch, each under its own steering; a client that hangs up ends its own answers only.

mod access;
mod api_error;
mod batch;
mod body;
mod choice;
mod compare;
mod connections;
mod fields;
mod jobs;
mod making;
mod meter;
mod open_requests;
mod page;
mod projections;
mod prompt;
mod reply;
mod request;
mod run_routes;
mod runs;
mod served;
mod state;
mod ticket;
mod ui;
mod vector_maker;
mod vector_store;
mod vectors;

use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::runtime::Runtime;
use crate::session::{LiveModel, NamedFile};
use crate::steering::{Op, Positions};
use crate::text::Tokenizer;
use crate::vector::{Layer, VectorFile};
use crate::verbs::model::{Model, ModelArgs};
use crate::verbs::{Console, Context, Outcome, traits};
use crate::{Error, Result};
use access::{Access, ApiKeys, Origin, guarded};
use api_error::ApiError;
use batch::{Asked, answer_all};
use connections::{Activity, Connections, LIMITS, at_work};
use jobs::{Jobs, JudgeChoice, work_off};
use making::Making;
use meter::{Meter, TokenLimits};
use open_requests::RequestGuard;
use request::{Kind, Question};
use runs::Runs;
use served::Served;
use state::{AppState, QUEUE_MAX};
use vector_maker::VectorMaker;
use vector_store::VectorStore;

pub use ui::{UiArgs, run as ui};

/// What the routes take and give, for programs.
const OPENAPI: &str = include_str!("openapi.json");
/// How often an interruption and idleness are looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Answer over HTTP as OpenAI's completions do, with steering per request
///
/// Requests are answered side by side, each joining between two tokens. A request may carry `steering`, a list of
/// {"vector": NAME, "coef": A, "layer": L, "positions": "response"}; the answer tells what was applied, and at how many
/// token positions. `GET /v1/models` lists the vectors. A browser finds a page at the address that is printed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  trimtab serve --model Qwen2.5-7B-Instruct --vectors evil=evil.safetensors &\n  curl -H 'content-type: application/json' http://127.0.0.1:8080/v1/chat/completions \\\n      -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Who are you?\"}],\n      \"steering\": [{\"vector\": \"evil\", \"coef\": -1.5, \"layer\": 20}]}'"
)]
pub struct ServeArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Files of persona vectors that requests may name, by their stem or by the name given here
    #[arg(long, value_name = "[NAME=]FILE", num_args = 1..)]
    vectors: Vec<NamedFile>,
    /// Address to listen on; 0.0.0.0 lets other machines in, which takes --api-key
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// Folder of runs that may be looked at; vectors of this model's `extract` runs in it may be named by requests, and new ones
    /// are made in it
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Key that requests must carry as `Authorization: Bearer KEY`; @FILE reads keys from a file, one a line
    #[arg(long, value_name = "KEY")]
    api_key: Option<ApiKeys>,
    /// Let other machines ask without a key
    #[arg(long)]
    insecure: bool,
    /// Web pages that may ask, such as http://localhost:3000; other pages are refused
    #[arg(long, value_name = "ORIGIN", num_args = 1..)]
    allow_origin: Vec<Origin>,
    /// Longest answer to a request that names no limit, in tokens
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: u32,
    /// Tokens of a request at most: those of its prompts and the most that its answers may have [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_request_tokens: Option<u32>,
    /// Tokens that may be read and answered in a minute under one key, or without keys in all [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tokens_per_minute: Option<u32>,
    /// How long a request may wait before it is begun
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    max_wait: u64,
    /// End when nothing was asked for so long
    #[arg(long, value_name = "SECONDS")]
    idle_exit: Option<u64>,
}

impl ServeArgs {
    /// The traits that vectors can be made of, and who can judge.
    fn making(&self) -> Making {
        let judges = match self.model.is_harbor() {
            true => [JudgeChoice::Harbor, JudgeChoice::Openai].to_vec(),
            false => {
                [JudgeChoice::Local, JudgeChoice::LocalYesNo, JudgeChoice::Sentiment, JudgeChoice::Openai].to_vec()
            }
        };
        Making { traits: traits::names(&self.model.model), judges }
    }
}

/// Serves until interrupted.
pub fn run(args: &ServeArgs, context: &Context<'_>, json: bool) -> Result<Outcome> {
    serve(args, context, json, &|_| {})
}

/// Serves; `listening` is given the page's address once requests are answered.
fn serve(args: &ServeArgs, context: &Context<'_>, json: bool, listening: &dyn Fn(&str)) -> Result<Outcome> {
    let model = args.model.find(context)?;
    let vectors = model.vector_set(&args.vectors, context.console)?;
    let folder = &model.folder;
    let served = Served {
        name: if folder.origin.is_some() { folder.base() } else { folder.name.clone() },
        short: folder.name.clone(),
        fingerprint: model.fingerprint.clone(),
        tokenizer: Tokenizer::load(&folder.path)?,
        vectors: VectorStore::new(vectors),
        positions_max: model.config.max_position_embeddings,
        new_tokens: args.max_new_tokens as usize,
        seed: context.seed.unwrap_or(0),
        wait: Duration::from_secs(args.max_wait),
        places: places(&model, &args.vectors),
    };
    let runs = args.runs.as_deref().map(Runs::open).transpose().map_err(|e| e.at("--runs"))?.map(Arc::new);
    // Vectors that are made without --runs lie where the embedded model is unpacked.
    let made_in = match &runs {
        Some(runs) => Some(runs.path().to_owned()),
        None => context.cache.as_ref().map(|cache| cache.join("runs")),
    };
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let threads = threads.map_err(|e| Error::new(format!("cannot start the server's threads: {e}")))?;
    let (host, port) = (args.host.as_str(), args.port);
    let listener = threads.block_on(TcpListener::bind((host, port))).and_then(|l| Ok((l.local_addr()?, l)));
    let (address, listener) = listener.map_err(|e| {
        Error::new(format!("cannot listen on {host}:{port}: {e}")).hint("choose another --port; 0 picks a free one")
    })?;
    let access = Arc::new(Access::new(address, host, args.api_key.clone(), args.allow_origin.clone(), args.insecure)?);

    let (runtime, _) = crate::device::open_for(&context.device, &context.dtype, &folder.path)?;
    let (inbox, asked) = sync_channel(QUEUE_MAX);
    let device = runtime.device();
    let (jobs, orders) = Jobs::new();
    let limits = TokenLimits {
        per_request: args.max_request_tokens.map(|n| n as usize),
        per_minute: args.tokens_per_minute.map(|n| n as usize),
    };
    let clients = args.api_key.as_ref().map_or(1, ApiKeys::count).max(1);
    let state = Arc::new(AppState {
        served: Arc::new(served),
        device: device.clone(),
        started: SystemTime::now(),
        open: Arc::default(),
        runs: runs.clone(),
        jobs,
        making: Arc::new(if made_in.is_some() { args.making() } else { Making::default() }),
        tickets: access.tickets.clone(),
        residual_norms: OnceLock::new(),
        limits,
        meters: (0..clients).map(|_| Arc::new(Meter::new(limits.per_minute))).collect(),
        inbox,
        seeded: context.seed.is_some(),
        total: AtomicUsize::new(0),
    });
    std::thread::scope(|scope| {
        let (ready, loaded) = sync_channel(1);
        let (served, runtime) = (state.served.clone(), runtime.as_ref());
        let model = &model;
        // The model stays on the thread that loaded it.
        scope.spawn({
            let served = served.clone();
            move || work(runtime, model, &served, &ready, &asked)
        });
        let norms = loaded.recv().map_err(|_| Error::new("loading the model failed"))??;
        state.residual_norms.get_or_init(|| norms);
        let folder = made_in.unwrap_or_default();
        let maker = VectorMaker {
            context,
            args: &args.model,
            model,
            served: served.clone(),
            runs: folder,
            shown: runs.is_some(),
        };
        runs.iter().for_each(|runs| maker.take_in(runs));
        scope.spawn(move || work_off(&orders, |job| maker.make(job)));

        let url = format!("http://{address}/v1");
        // The first look tells the console that an interruption is seen to here: from now on answers are given to their end.
        context.console.interrupted();
        context.console.say(&format!("listening on {url}"));
        context.console.say(&format!("page: http://{address}/"));
        if json {
            context.console.data(&json!({ "url": url }).to_string());
        }
        context.console.say(&format!("device: {device}"));
        listening(&format!("http://{address}/"));
        let idle = args.idle_exit.map(Duration::from_secs);
        let served = threads.block_on(async {
            let (stop, stopped) = tokio::sync::oneshot::channel();
            let end = async { stopped.await.unwrap_or_default() };
            let connections = Connections::new(listener, LIMITS);
            let open = connections.open();
            let routes = routes(state.clone()).layer(from_fn_with_state(access, guarded)).layer(from_fn(at_work));
            let routes = routes.into_make_service_with_connect_info::<Activity>();
            let serving = axum::serve(connections, routes).with_graceful_shutdown(end);
            let over = async {
                until_over(context.console, &state, idle).await;
                state.jobs.stop();
                let _ = stop.send(());
                open.close();
                std::future::pending::<std::convert::Infallible>().await
            };
            tokio::select! {
                served = serving.into_future() => served,
                never = over => match never {},
            }
        });
        // With the runtime go all that can ask, and so the model's thread ends.
        drop(threads);
        let total = state.total();
        drop(state);
        served.map_err(|e| Error::new(format!("the server stopped: {e}")))?;
        let text = format!("{total} requests were answered");
        Ok(Outcome::new(text, if json { Value::Null } else { json!({ "requests": total }) }))
    })
}

/// Where the files of what is served lie, and what clients are told instead: the longest first, so that none is cut.
fn places(model: &Model, vectors: &[NamedFile]) -> Vec<(String, String)> {
    let called = |(path, name): (&std::path::Path, String)| {
        let paths = [Some(path.to_owned()), path.canonicalize().ok()];
        paths.into_iter().flatten().map(move |path| (path.display().to_string(), name.clone()))
    };
    let adapter = model.adapter_path();
    let by_file_name = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let others = adapter.iter().chain(vectors.iter().map(|named| &named.path));
    let others = others.map(|path| (path.as_path(), by_file_name(path)));
    let own = (model.folder.path.as_path(), model.folder.name.clone());
    let mut places: Vec<(String, String)> = std::iter::once(own).chain(others).flat_map(called).collect();
    places.retain(|(place, _)| place.contains(std::path::MAIN_SEPARATOR));
    places.sort_by_key(|(place, _)| std::cmp::Reverse(place.len()));
    places.dedup();
    places
}

fn work(
    runtime: &dyn Runtime,
    model: &Model,
    served: &Served,
    ready: &SyncSender<Result<Vec<f64>>>,
    asked: &Receiver<Asked>,
) {
    let opened = LiveModel::open(runtime, model.folder.path.clone(), model.adapter_path());
    match opened.and_then(|mut live| Ok((live.residual_norms()?, live.begin()?))) {
        Ok((norms, batch)) => {
            let _ = ready.send(Ok(norms));
            answer_all(batch, served, asked);
        }
        Err(e) => {
            let _ = ready.send(Err(e));
        }
    }
}

async fn until_over(console: &dyn Console, state: &AppState, idle: Option<Duration>) {
    loop {
        let idle = idle.is_some_and(|idle| state.open.idle().is_some_and(|since| since >= idle));
        if console.interrupted() || idle {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn routes(state: Arc<AppState>) -> Router {
    Router::new()
        .merge(page::routes())
        .route("/health", get(health))
        .route("/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)))
        .route("/v1/models", get(models))
        .route("/v1/models/{*name}", get(model))
        .route("/v1/chat/completions", post(async |state, request| completions(state, request, Kind::Chat).await))
        .route("/v1/completions", post(async |state, request| completions(state, request, Kind::Text).await))
        .route("/v1/compare", post(comparison))
        .route("/v1/steering", get(steering))
        .route("/v1/projections", post(projections::answer))
        .merge(run_routes::routes())
        .merge(vectors::routes())
        .fallback(async |request: Request| {
            ApiError::new(StatusCode::NOT_FOUND, format!("there is no {} here", request.uri().path()))
        })
        .method_not_allowed_fallback(async |request: Request| {
            let what = format!("{} does not take {}", request.uri().path(), request.method());
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, what)
        })
        .with_state(state)
}

async fn health(State(state): State<Arc<AppState>>) -> Json<Value> {
    let waiting = state.open.count();
    Json(json!({ "status": "ok", "model": state.served.name, "device": state.device, "open_requests": waiting }))
}

/// The model in OpenAI's form, and what it can be steered with.
fn described(state: &AppState) -> Value {
    let vector = |(name, file): (&str, &VectorFile)| {
        let norms: Vec<f32> = (1..=file.response_avg.layers()).map(|l| file.response_avg.norm(Layer(l))).collect();
        json!({ "name": name, "fingerprint": file.fingerprint, "norms": norms })
    };
    let vectors = state.served.vectors.current();
    json!({
        "id": state.served.name,
        "object": "model",
        "created": state.created(),
        "owned_by": "trimtab",
        "fingerprint": state.served.fingerprint,
        "layers": vectors.layers(),
        "vectors": vectors.iter().map(vector).collect::<Vec<_>>(),
    })
}

async fn steering(State(state): State<Arc<AppState>>) -> Json<Value> {
    let model = described(&state);
    Json(json!({
        "object": "list",
        "model": model["id"],
        "layers": model["layers"],
        "residual_norms": state.residual_norms.get(),
        "data": model["vectors"],
        "positions": [Positions::Response, Positions::Prompt, Positions::All],
        "ops": [Op::Add, Op::Ablate],
        "vectors_max": request::STEERING_MAX,
    }))
}

async fn models(State(state): State<Arc<AppState>>) -> Json<Value> {
    Json(json!({ "object": "list", "data": [described(&state)] }))
}

async fn model(State(state): State<Arc<AppState>>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    state.served.check(&name)?;
    Ok(Json(described(&state)))
}

async fn completions(State(state): State<Arc<AppState>>, request: Request, kind: Kind) -> Result<Response, ApiError> {
    answered(state, request, move |body, served| Question::read(body, kind, served)).await
}

async fn comparison(State(state): State<Arc<AppState>>, request: Request) -> Result<Response, ApiError> {
    answered(state, request, compare::read).await
}

/// Answers what `read` finds in the request's body, whole or piece by piece.
async fn answered(
    state: Arc<AppState>,
    request: Request,
    read: impl FnOnce(&[u8], &Served) -> Result<Question, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let guard = RequestGuard::of(&state.open, &request);
    let question = body::read(request, &state, read).await?;
    let stream = question.stream;
    let (frame, said) = state.ask(question, guard.client)?;
    if stream { Ok(reply::streamed(frame, said, guard)) } else { reply::whole(frame, said).await }
}
