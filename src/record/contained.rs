//! Other libraries' work on files from strangers: a panic of theirs is an error of the file, and ends nothing else.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread::Builder;

use crate::{At, Error, Result};

/// Readers of nested data recurse once per level, so that a hostile file asks for stack; what is not touched costs nothing.
const STACK: usize = 64 << 20;

thread_local! {
    /// For a panic hook, which is told nothing but the place of a panic: whether this thread is inside [`contained_here`].
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread becomes an error: then a program's panic hook should say nothing.
pub fn is_contained() -> bool {
    CONTAINED.with(Cell::get)
}

/// Does work on a file.
///
/// # Errors
/// Those of the work; a panic inside it, as a damaged file.
pub fn contained_here<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let outer = CONTAINED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    done.unwrap_or_else(|panic| {
        let damaged = Error::new(format!("damaged, or not of this format ({})", words(&*panic)));
        Err(damaged.at(path.display()).hint("fetch or write the file again"))
    })
}

/// Does work on a file in a thread with a large stack.
///
/// # Errors
/// As [`contained_here`].
pub fn contained<T: Send>(path: &Path, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let work = || contained_here(path, work);
        let thread = Builder::new().stack_size(STACK).spawn_scoped(scope, work).at(path)?;
        thread.join().unwrap_or_else(|panic| Err(Error::new(words(&*panic)).at(path.display())))
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
        let e = contained_here::<()>(path, || {
            assert!(is_contained());
            Err(Error::new("no"))
        });
        assert_eq!((e.unwrap_err().to_string().as_str(), is_contained()), ("no", false));
    }
}
