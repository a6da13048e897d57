//! Other libraries' work on files from strangers: a panic of theirs is an error of the file, and ends nothing else.

use std::path::Path;
use std::thread::Builder;

use crate::{At, Error, Result, guarded};

/// Readers of nested data recurse once per level, so that a hostile file asks for stack; what is not touched costs nothing.
const STACK: usize = 64 << 20;

/// Does work on a file.
///
/// # Errors
/// Those of the work; a panic inside it, as a damaged file.
pub fn contained_here<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let damaged = |panic: Error| format!("damaged, or not of this format ({panic})");
    guarded(work).map_err(|e| Error::new(damaged(e)).at(path.display()).hint("fetch or write the file again")).flatten()
}

/// Does work on a file in a thread with a large stack.
///
/// # Errors
/// As [`contained_here`].
pub fn contained<T: Send>(path: &Path, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let work = || contained_here(path, work);
        let thread = Builder::new().stack_size(STACK).spawn_scoped(scope, work).at(path)?;
        thread.join().unwrap_or_else(|_| Err(Error::new("its reader failed").at(path.display())))
    })
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
        let e = contained_here::<()>(path, || Err(Error::new("no"))).unwrap_err();
        assert_eq!(e.to_string(), "no");
    }
}
