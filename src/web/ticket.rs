//! Tickets: addresses that open without a key. A browser sends no key for what it shows in a frame, so a page that has the key is told
//! an address with a ticket in it.

use std::hash::{BuildHasher, RandomState};

/// What makes tickets; they hold until the server ends.
#[derive(Clone)]
pub struct Tickets([u8; 32]);

impl Default for Tickets {
    /// A new secret from the system's random numbers, by way of the keys of the standard library's hashes.
    fn default() -> Self {
        let mut secret = [0; 32];
        for (i, part) in secret.chunks_mut(8).enumerate() {
            part.copy_from_slice(&RandomState::new().hash_one(i).to_le_bytes());
        }
        Self(secret)
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets")
    }
}

impl Tickets {
    pub fn address(&self, path: &str) -> String {
        format!("{path}?ticket={}", blake3::keyed_hash(&self.0, path.as_bytes()))
    }

    /// Whether a request's query holds the path's ticket. Equality of hashes takes the same time for all.
    pub fn open(&self, path: &str, query: &str) -> bool {
        let given = query.split('&').find_map(|part| part.strip_prefix("ticket="));
        let given = given.and_then(|given| blake3::Hash::from_hex(given).ok());
        given.is_some_and(|given| given == blake3::keyed_hash(&self.0, path.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_one_path() {
        let (tickets, others) = (Tickets::default(), Tickets::default());
        let address = tickets.address("/v1/runs/a/report");
        let (path, query) = address.split_once('?').unwrap();
        assert!(tickets.open(path, query));
        assert!(!tickets.open("/v1/runs/b/report", query) && !others.open(path, query));
        assert!(!tickets.open(path, "") && !tickets.open(path, "ticket=") && !tickets.open(path, "ticket=zz"));
    }
}
