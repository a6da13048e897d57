//! Environment variables. No other file reads them.

use std::env::{var, var_os};
use std::path::PathBuf;

use crate::hub::{ENDPOINT, Hub};
use crate::judge::Key;

/// Set to anything: no colours (no-color.org).
pub const NO_COLOR: &str = "NO_COLOR";

/// Where unpacked models are kept; `trimtab` in the user's cache folder by default.
pub const CACHE: &str = "TRIMTAB_CACHE";

/// The key of a paid judge; it goes before [`OPENAI_KEY`].
pub const JUDGE_KEY: &str = "TRIMTAB_JUDGE_KEY";

/// The key by the name that OpenAI's own programs read.
pub const OPENAI_KEY: &str = "OPENAI_API_KEY";

pub fn judge_key() -> Option<Key> {
    [JUDGE_KEY, OPENAI_KEY].into_iter().find_map(|name| Key::new(&var(name).ok()?))
}
/// The hub's address, for a mirror; Python's libraries read the same variables.
pub const HF_ENDPOINT: &str = "HF_ENDPOINT";

/// Where models from the hub are kept; `hub` in HF_HOME by default.
pub const HF_HUB_CACHE: &str = "HF_HUB_CACHE";

/// What Python's libraries keep: models, the token; `huggingface` in the user's cache folder by default.
pub const HF_HOME: &str = "HF_HOME";

/// A token for private and gated models.
pub const HF_TOKEN: &str = "HF_TOKEN";

/// A file with the token; `token` in HF_HOME by default.
pub const HF_TOKEN_PATH: &str = "HF_TOKEN_PATH";

/// Set to 1: nothing is asked of the network.
pub const HF_HUB_OFFLINE: &str = "HF_HUB_OFFLINE";

/// Where Trackio keeps its databases; `trackio` in HF_HOME by default.
pub const TRACKIO_DIR: &str = "TRACKIO_DIR";

pub fn trackio() -> Option<PathBuf> {
    path(TRACKIO_DIR).or_else(|| Some(hf_home()?.join("trackio")))
}

/// What Python's libraries of Hugging Face keep.
fn hf_home() -> Option<PathBuf> {
    let user = || path("XDG_CACHE_HOME").or_else(|| below_home(".cache"));
    path(HF_HOME).or_else(|| Some(user()?.join("huggingface")))
}

pub fn no_color() -> bool {
    var_os(NO_COLOR).is_some_and(|value| !value.is_empty()) || var("TERM").is_ok_and(|term| term == "dumb")
}

/// The folder for what is kept between runs, if the system has one.
pub fn cache() -> Option<PathBuf> {
    let user = || path("XDG_CACHE_HOME").or_else(|| path("LOCALAPPDATA")).or_else(|| below_home(".cache"));
    path(CACHE).or_else(|| Some(user()?.join("trimtab")))
}

/// The hub and its cache, as Python's `huggingface_hub` finds them.
pub fn hub(offline: bool) -> Hub {
    let home = hf_home();
    let within = |name: &str| home.as_ref().map(|home| home.join(name));
    let yes = |value: String| ["1", "ON", "YES", "TRUE"].contains(&value.to_ascii_uppercase().as_str());
    Hub {
        endpoint: text(HF_ENDPOINT).unwrap_or_else(|| ENDPOINT.to_owned()),
        cache: path(HF_HUB_CACHE).or_else(|| within("hub")),
        token: text(HF_TOKEN),
        token_file: path(HF_TOKEN_PATH).or_else(|| within("token")),
        offline: offline || text(HF_HUB_OFFLINE).is_some_and(yes),
    }
}

fn text(name: &str) -> Option<String> {
    var(name).ok().filter(|value| !value.is_empty())
}

fn path(name: &str) -> Option<PathBuf> {
    var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A folder in the user's home; Windows has no HOME.
fn below_home(name: &str) -> Option<PathBuf> {
    path("HOME").or_else(|| path("USERPROFILE")).map(|home| home.join(name))
}
