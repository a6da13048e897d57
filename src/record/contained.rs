//! Other libraries' work on files from strangers: a panic of theirs is an error of the file, and ends nothing else.

use std::any::Any;
use std::path::Path;
use std::thread::Builder;

use crate::{At, Error, Result};

/// The name of threads whose panics become errors. A program's panic hook should say nothing of them.
pub const CONTAINED: &str = "contained";

/// Readers of nested data recurse once per level, so that a hostile file asks for stack; what is not touched costs nothing.
const STACK: usize = 64 << 20;

/// Does work on a file in a thread of its own.
///
/// # Errors
/// Those of the work; a panic inside it, as a damaged file.
pub fn contained<T: Send>(path: &Path, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = Builder::new().name(CONTAINED.to_owned()).stack_size(STACK).spawn_scoped(scope, work).at(path)?;
        thread.join().unwrap_or_else(|panic| {
            let damaged = Error::new(format!("damaged, or not of this format ({})", words(&*panic)));
            Err(damaged.at(path.display()).hint("fetch or write the file again"))
        })
    })
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("its reader failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_that_names_the_file() {
        let path = Path::new("strange.bin");
        assert_eq!(contained(path, || Ok(3)).unwrap(), 3);
        let e = contained::<()>(path, || panic!("index out of bounds")).unwrap_err();
        assert_eq!(e.to_string(), "strange.bin: damaged, or not of this format (index out of bounds)");
        let e = contained::<()>(path, || Err(Error::new("no"))).unwrap_err();
        assert_eq!(e.to_string(), "no");
    }
}
