//! The environment, and the only file that reads it.

use std::env::{var, var_os};
use std::path::PathBuf;

use crate::judge::Key;

/// Set to anything: no colours (no-color.org).
pub const NO_COLOR: &str = "NO_COLOR";

/// Where unpacked models are kept; `trimtab` in the user's cache folder by default.
pub const CACHE: &str = "TRIMTAB_CACHE";

/// The key of a paid judge; it goes before [`OPENAI_KEY`].
pub const JUDGE_KEY: &str = "TRIMTAB_JUDGE_KEY";

/// The key by the name that OpenAI's own programs read.
pub const OPENAI_KEY: &str = "OPENAI_API_KEY";

/// The key of a paid judge, if there is one.
pub fn judge_key() -> Option<Key> {
    [JUDGE_KEY, OPENAI_KEY].into_iter().find_map(|name| Key::new(&var(name).ok()?))
}

/// Whether colours are unwanted.
pub fn no_color() -> bool {
    var_os(NO_COLOR).is_some_and(|value| !value.is_empty()) || var("TERM").is_ok_and(|term| term == "dumb")
}

/// The folder for what may be kept between runs, if the system has such a place.
pub fn cache() -> Option<PathBuf> {
    let folder = |name: &str| var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = || {
        folder("XDG_CACHE_HOME")
            .or_else(|| folder("LOCALAPPDATA"))
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .map(|cache| cache.join("trimtab"))
    };
    folder(CACHE).or_else(user)
}
