//! From the hub into the cache: `api/models/REPO/revision/REVISION` tells the commit and its files, a HEAD of
//! `REPO/resolve/COMMIT/FILE` the file's hash and size, a GET its bytes, often from another host to which it redirects.
//!
//! Bytes go into `ETAG.incomplete`, which is only ever appended to. Whatever cuts a download short (a lost connection, a
//! kill), the next attempt asks for the rest by a `Range`; large files are named by their SHA-256, which is checked.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, LOCATION, RANGE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::cache::{INDEX, Repo, SINGLE, TEXT_FILES, is_commit, shards};
use super::name::Name;
use super::refusal::{refused, unreachable};
use crate::http::retry::{Patience, passes, retry_after};
use crate::{At, Error, Result, ensure, http};

/// Files that come in side by side.
const DOWNLOADS: usize = 4;

/// Five tries in a row that bring nothing; a large file may take hours, but no silence of it half a minute.
const PATIENCE: Patience = Patience {
    tries_max: 5,
    first_wait: Duration::from_millis(250),
    longest_wait: Duration::from_secs(60),
    timeout: Duration::from_secs(30),
};

/// A model at one commit, complete on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its folder, in Hugging Face's layout.
    pub folder: PathBuf,
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// Whether anything had to be fetched.
    pub fetched: bool,
    /// Files that the repository may have and this machine does not, since the network could not be asked.
    pub unknown: Vec<String>,
}

/// How far a download is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// On this machine, whatever an earlier run left included.
    pub done: u64,
    /// Of all that had to be fetched.
    pub total: u64,
}

/// Brings everything that the cache lacks of a model.
///
/// # Errors
/// No such model or revision, no permission, no network, no safetensors, a full disk.
pub fn fetch(
    endpoint: &str,
    token: Option<String>,
    name: &Name,
    repo: &Repo,
    tell: &mut dyn FnMut(Progress),
) -> Result<Snapshot> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing("starting the download")?;
    runtime.block_on(Source::new(endpoint, token, name, repo)?.fetch(tell))
}

/// One repository on the hub, and its place in the cache.
#[derive(Clone)]
struct Source(Arc<Parts>);

struct Parts {
    endpoint: String,
    name: Name,
    token: Option<String>,
    repo: Repo,
    client: Client,
    /// A file's hash and size are told by the hub itself, not by the host to which it redirects.
    staying: Client,
    places: Semaphore,
}

#[derive(Deserialize)]
struct Info {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

struct Remote {
    file: String,
    etag: String,
    size: u64,
}

enum Fault {
    /// Another attempt may go on where this one ended, at the earliest after the given pause.
    Passing(Error, Option<Duration>),
    Final(Error),
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        Self::Final(e)
    }
}

/// Waits before the next try; false if there is none.
async fn wait(failed: u32, asked: Option<Duration>, request: &str) -> bool {
    let Ok(wait) = PATIENCE.wait(failed, asked, request) else { return false };
    tokio::time::sleep(wait).await;
    true
}

impl Source {
    fn new(endpoint: &str, token: Option<String>, name: &Name, repo: &Repo) -> Result<Self> {
        let client =
            || Ok::<_, Error>(http::client(true)?.connect_timeout(PATIENCE.timeout).read_timeout(PATIENCE.timeout));
        Ok(Self(Arc::new(Parts {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            name: name.clone(),
            token,
            repo: repo.clone(),
            client: client()?.build().doing("preparing the download")?,
            staying: client()?.redirect(reqwest::redirect::Policy::none()).build().doing("preparing the download")?,
            places: Semaphore::new(DOWNLOADS),
        })))
    }

    async fn fetch(&self, tell: &mut dyn FnMut(Progress)) -> Result<Snapshot> {
        let Parts { name, repo, endpoint, .. } = &*self.0;
        let (commit, files) = self.files().await?;
        let has = |file: &str| files.iter().any(|f| f == file);
        let gguf = |file: &&String| file.ends_with(".gguf");
        let of_gguf = || match files.iter().filter(gguf).map(String::as_str).collect::<Vec<_>>()[..] {
            [] => format!("look at {endpoint}/{}: is it a chat model?", name.repo),
            ref found => format!("name one of its GGUF files, such as {}:{}", name.repo, found.join(", ")),
        };
        let lacks = |what: &str| Error::new(format!("{} at `{}` has no {what}", name.repo, name.revision));
        let (mut weights, mut fetched) = (name.gguf_files(), 0);
        if let Some(file) = weights.iter().find(|file| !has(file)) {
            return Err(lacks(&format!("`{file}`")).hint(of_gguf()));
        }
        if weights.is_empty() {
            let mut small = Vec::new();
            for (file, needed) in TEXT_FILES {
                match (has(file), needed) {
                    (true, _) => small.push(file.to_owned()),
                    (false, false) => repo.mark_absent(&commit, file)?,
                    (false, true) => return Err(lacks(&format!("`{file}`")).hint(of_gguf())),
                }
            }
            if !has(SINGLE) && !has(INDEX) {
                let pickled = files.iter().any(|file| file.ends_with(".bin") || file.ends_with(".pth"));
                return Err(lacks("safetensors").hint(if files.iter().any(|file| file.ends_with(".gguf")) {
                    of_gguf()
                } else if pickled {
                    "its weights are pickled (`.bin`): load and save the model once with transformers, and give that folder"
                        .to_owned()
                } else {
                    "give a model whose weights are safetensors".to_owned()
                }));
            }
            if !has(SINGLE) {
                small.push(INDEX.to_owned());
            }
            fetched += self.gather(&commit, &small, &mut |_| {}).await?;
            weights = match has(SINGLE) {
                true => vec![SINGLE.to_owned()],
                false => shards(&repo.snapshot(&commit).join(INDEX))?,
            };
        }
        fetched += self.gather(&commit, &weights, tell).await?;
        // Noted last: a revision that is known is complete.
        repo.set_commit(&name.revision, &commit)?;
        Ok(Snapshot { folder: repo.snapshot(&commit), commit, fetched: fetched > 0, unknown: Vec::new() })
    }

    /// The commit that the revision stands for, and the names of its files.
    async fn files(&self) -> Result<(String, Vec<String>)> {
        let Parts { name, endpoint, client, .. } = &*self.0;
        let revision = name.revision.replace('/', "%2F");
        let url = format!("{endpoint}/api/models/{}/revision/{revision}", name.repo);
        let response = self.ask(client, Method::GET, &url).await?;
        let body = response.bytes().await.map_err(|e| unreachable(endpoint, &e))?;
        let info: Info = serde_json::from_slice(&body).doing(format!("reading what {url} says"))?;
        let commit =
            info.sha.filter(|sha| is_commit(sha)).ok_or_else(|| Error::new(format!("{url} tells no commit")))?;
        Ok((commit, info.siblings.into_iter().map(|sibling| sibling.rfilename).collect()))
    }

    /// Brings the files that the commit's folder lacks, several side by side, and gives their number.
    async fn gather(&self, commit: &str, files: &[String], tell: &mut dyn FnMut(Progress)) -> Result<usize> {
        let folder = self.0.repo.snapshot(commit);
        let missing: Vec<String> = files.iter().filter(|file| !folder.join(file).exists()).cloned().collect();
        let mut remotes = Vec::with_capacity(missing.len());
        for file in &missing {
            remotes.push(self.look_up(commit, file.clone()).await?);
        }
        let total = remotes.iter().map(|remote| remote.size).sum();
        let (sender, mut received) = mpsc::unbounded_channel::<i64>();
        let mut downloads = JoinSet::new();
        for remote in remotes {
            let (source, commit, sender) = (self.clone(), commit.to_owned(), sender.clone());
            downloads.spawn(async move {
                let _place = source.0.places.acquire().await.expect("never closed");
                source.download(&commit, &remote, &sender).await
            });
        }
        let mut done = 0i64;
        loop {
            tokio::select! {
                biased;
                Some(more) = received.recv() => {
                    done += more;
                    tell(Progress { done: done.max(0) as u64, total });
                }
                ended = downloads.join_next() => match ended {
                    Some(result) => result.doing("downloading")??,
                    None => return Ok(missing.len()),
                },
            }
        }
    }

    /// Hash and size of a file, from the hub's own answer or one to which it redirects within itself.
    async fn look_up(&self, commit: &str, file: String) -> Result<Remote> {
        let mut url = self.url(commit, &file);
        for _ in 0..5 {
            let response = self.ask(&self.0.staying, Method::HEAD, &url).await?;
            let headers = response.headers();
            let location = header(headers, LOCATION.as_str());
            let inside = location.filter(|to| to.starts_with('/') && !to.starts_with("//"));
            if let (true, Some(to)) = (response.status().is_redirection(), inside) {
                url = Url::parse(&url).and_then(|from| from.join(to)).doing(&url)?.into();
                continue;
            }
            let own = |name: &str| header(headers, name).filter(|_| response.status().is_success());
            let etag = header(headers, "x-linked-etag").or_else(|| own("etag")).map(|etag| {
                let etag = etag.strip_prefix("W/").unwrap_or(etag);
                etag.trim_matches('"').to_owned()
            });
            let size = header(headers, "x-linked-size").or_else(|| own("content-length")).and_then(|n| n.parse().ok());
            let plain =
                |etag: &String| !etag.is_empty() && etag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            return match (etag.filter(plain), size) {
                (Some(etag), Some(size)) => Ok(Remote { file, etag, size }),
                _ => Err(Error::new(format!("{url} tells neither hash nor size of the file"))
                    .hint("if HF_ENDPOINT names a mirror, it does not speak the hub's language")),
            };
        }
        Err(Error::new(format!("{url} redirects without end")))
    }

    /// One file into its blob and into the commit's folder.
    async fn download(&self, commit: &str, remote: &Remote, sender: &mpsc::UnboundedSender<i64>) -> Result<()> {
        let repo = &self.0.repo;
        let blob = repo.blob(&remote.etag);
        crate::record::create_folder(blob.parent().expect("below blobs"))?;
        // Held until the blob is whole; another process, ours or Python's, waits for it and finds the blob.
        let _lock = {
            let lock = repo.lock(&remote.etag)?;
            while let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
                tokio::time::sleep(PATIENCE.first_wait).await;
            }
            lock
        };
        if blob.exists() {
            let _ = sender.send(remote.size as i64);
        } else {
            let part = repo.blob(&format!("{}.incomplete", remote.etag));
            self.fill(commit, remote, &part, sender).await?;
            fs::rename(&part, &blob).at(&blob)?;
        }
        repo.link(commit, &remote.file, &remote.etag)
    }

    /// Fills `part` up with what it lacks, in as many attempts as bring something, and checks it.
    async fn fill(
        &self,
        commit: &str,
        remote: &Remote,
        part: &Path,
        sender: &mpsc::UnboundedSender<i64>,
    ) -> Result<()> {
        let length = || fs::metadata(part).map_or(0, |file| file.len());
        let mut known = length();
        let _ = sender.send(known as i64);
        let (mut failed, mut begun_again) = (0, false);
        loop {
            let before = length();
            let attempt = if before < remote.size { self.append(commit, remote, part, sender).await } else { Ok(()) };
            let now = length();
            let early = || Fault::Passing(Error::new("the server sent less than the whole file"), None);
            match if attempt.is_ok() && now < remote.size { Err(early()) } else { attempt } {
                Ok(()) if now == remote.size && is_whole(part, &remote.etag).await? => return Ok(()),
                Ok(()) => {
                    // Left by somebody else, or garbled on the way: once from the beginning, then it is a fault.
                    ensure!(!begun_again, "{} of {} is not what its hash says", remote.file, self.0.name.repo);
                    begun_again = true;
                    fs::remove_file(part).at(part)?;
                    let _ = sender.send(-(now as i64));
                    continue;
                }
                Err(Fault::Final(e)) => return Err(e),
                Err(Fault::Passing(e, asked)) => {
                    if now > known {
                        (known, failed) = (now, 0);
                    }
                    failed += 1;
                    if !wait(failed, asked, &remote.file).await {
                        return Err(e.at(format!("{} ({now} of {} bytes)", remote.file, remote.size)));
                    }
                }
            }
        }
    }

    /// Asks for the rest of a file and appends it.
    async fn append(
        &self,
        commit: &str,
        remote: &Remote,
        part: &Path,
        sender: &mpsc::UnboundedSender<i64>,
    ) -> Result<(), Fault> {
        let Parts { client, endpoint, .. } = &*self.0;
        let mut file = File::options().create(true).append(true).open(part).at(part)?;
        let have = file.metadata().at(part)?.len();
        let mut request = self.request(client, Method::GET, &self.url(commit, &remote.file));
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let lost = |e: &reqwest::Error| Fault::Passing(unreachable(endpoint, e), None);
        let mut response = request.send().await.map_err(|e| lost(&e))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK if have > 0 => {
                // This server knows no ranges.
                file.set_len(0).at(part)?;
                let _ = sender.send(-(have as i64));
            }
            StatusCode::OK => {}
            status if passes(status) => {
                let asked = retry_after(response.headers());
                return Err(Fault::Passing(self.refused(response).await, asked));
            }
            _ => return Err(Fault::Final(self.refused(response).await)),
        }
        while let Some(bytes) = response.chunk().await.map_err(|e| lost(&e))? {
            file.write_all(&bytes).at(part)?;
            let _ = sender.send(bytes.len() as i64);
        }
        file.sync_all().at(part)?;
        Ok(())
    }

    fn url(&self, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{file}", self.0.endpoint, self.0.name.repo)
    }

    fn request(&self, client: &Client, method: Method, url: &str) -> RequestBuilder {
        let request = client.request(method, url).header(ACCEPT_ENCODING, "identity");
        match &self.0.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Asks for something small, more than once if need be. The answer is a success or a redirection.
    async fn ask(&self, client: &Client, method: Method, url: &str) -> Result<Response> {
        let mut failed = 0;
        loop {
            let (error, asked) = match self.request(client, method.clone(), url).send().await {
                Ok(response) if response.status().is_success() || response.status().is_redirection() => {
                    return Ok(response);
                }
                Ok(response) if passes(response.status()) => {
                    let asked = retry_after(response.headers());
                    (self.refused(response).await, asked)
                }
                Ok(response) => return Err(self.refused(response).await),
                Err(e) => (unreachable(&self.0.endpoint, &e), None),
            };
            failed += 1;
            if !wait(failed, asked, url).await {
                return Err(error);
            }
        }
    }

    async fn refused(&self, response: Response) -> Error {
        refused(response, &self.0.endpoint, &self.0.name, self.0.token.is_some()).await
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a file has the SHA-256 that its name says; other names are hashes of git's, whose files are small.
async fn is_whole(path: &Path, etag: &str) -> Result<bool> {
    if etag.len() != 64 {
        return Ok(true);
    }
    let path = path.to_owned();
    // Seconds of work: the other downloads must not stand still for it.
    let hashed = tokio::task::spawn_blocking(move || sha256(&path)).await.doing("hashing a download")??;
    Ok(hashed == etag.to_ascii_lowercase())
}

fn sha256(path: &Path) -> Result<String> {
    let (mut file, mut hasher, mut buffer) = (File::open(path).at(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).at(path)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            n => hasher.update(&buffer[..n]),
        }
    }
}
