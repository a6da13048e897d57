//! Refusing a folder that holds the work of other settings.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Error, Result};

/// The names whose values differ, or that only one of the two has, sorted.
pub fn differing<'a, V: PartialEq + 'a>(
    old: impl IntoIterator<Item = (&'a String, &'a V)>,
    new: impl IntoIterator<Item = (&'a String, &'a V)>,
) -> Vec<&'a str> {
    let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) = (old.into_iter().collect(), new.into_iter().collect());
    let mut names: Vec<&str> = old
        .keys()
        .chain(new.keys())
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Refuses a folder that holds something else, such as `the answers of another run`, if anything differs; the error names what
/// does. `flag` is the one that names the folder.
///
/// # Errors
/// As said.
pub fn refuse_other(folder: &Path, holds: &str, differing: &[&str], flag: &str) -> Result<()> {
    if differing.is_empty() {
        return Ok(());
    }
    let what = format!("{}: holds {holds}; it differs in {}", folder.display(), differing.join(", "));
    Err(Error::usage(what).hint(format!("give another {flag}, or --overwrite to throw that away")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_once() {
        let table = |text: &str| text.parse::<toml::Table>().unwrap();
        let (old, new) = (table("seed = 1\nmodel = 'a'\nrank = 2"), table("seed = 2\nmodel = 'a'\nalpha = 3"));
        let differ = differing(&old, &new);
        assert_eq!(differ, ["alpha", "rank", "seed"]);
        let e = refuse_other(Path::new("runs/a"), "another run", &differ, "--out").unwrap_err();
        assert_eq!(e.to_string(), "runs/a: holds another run; it differs in alpha, rank, seed");
        assert!(e.exit_code() == 2 && e.help().unwrap().contains("--overwrite"));
        refuse_other(Path::new("runs/a"), "another run", &differing(&old, &old), "--out").unwrap();
    }
}
