//! The vectors that requests may name. New ones come while the server runs; a request keeps those that were there when it was read.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use crate::Result;
use crate::session::VectorSet;
use crate::vector::VectorFile;

#[derive(Debug)]
pub struct VectorStore {
    stored: RwLock<Stored>,
}

#[derive(Debug)]
struct Stored {
    set: Arc<VectorSet>,
    notes: BTreeMap<String, VectorNote>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VectorNote {
    pub run: Option<String>,
    /// What its making and its reading warned of.
    pub warnings: Vec<String>,
}

impl VectorStore {
    pub fn new(set: VectorSet) -> Self {
        Self { stored: RwLock::new(Stored { set: Arc::new(set), notes: BTreeMap::new() }) }
    }

    pub fn current(&self) -> Arc<VectorSet> {
        self.stored.read().expect("no thread panics with the lock").set.clone()
    }

    pub fn note(&self, name: &str) -> VectorNote {
        let stored = self.stored.read().expect("no thread panics with the lock");
        stored.notes.get(name).cloned().unwrap_or_default()
    }

    /// Takes in one more; requests that are read from now on may name it.
    pub fn add(&self, name: &str, file: VectorFile, note: VectorNote) -> Result<()> {
        let mut stored = self.stored.write().expect("no thread panics with the lock");
        let mut set = VectorSet::clone(&stored.set);
        set.add(name, file)?;
        stored.set = Arc::new(set);
        stored.notes.insert(name.to_owned(), note);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::PersonaVector;

    #[test]
    fn a_reader_keeps_what_was_there_and_a_name_is_given_once() {
        let file =
            || VectorFile::new(PersonaVector::new(vec![vec![1.0]; 2]).unwrap(), None, None, BTreeMap::new()).unwrap();
        let store = VectorStore::new(VectorSet::new(BTreeMap::new(), 1));
        let before = store.current();
        let note = VectorNote { run: Some("extract/evil".into()), warnings: vec!["few answers".into()] };
        store.add("evil", file(), note.clone()).unwrap();
        assert!(before.get("evil").is_err() && store.current().get("evil").is_ok());
        assert!(store.add("evil", file(), VectorNote::default()).is_err());
        assert_eq!(store.note("evil"), note);
    }
}
