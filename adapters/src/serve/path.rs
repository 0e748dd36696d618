//! Names of topics and folders as clients write them. Decides that every way to write a name leads to one key: the
//! absolute path, with one slash before each part and none at its end.
//!
//! Clients name topics relative to their database (`events`) or absolutely below it (`/local/events`). The database
//! comes with every call, as a header. A database need not be made: it is a prefix of names, and two databases never
//! see each other's topics.

use super::status::{BAD_REQUEST, Checked, SCHEME_ERROR, failure};
use std::sync::Arc;

/// Most bytes of a path.
const LONGEST: usize = 1024;

/// A client's database: an absolute path, or empty for the root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Database(Arc<str>);

impl Database {
    /// The database that a header names; without a header, the root.
    pub(crate) fn new(header: &str) -> Checked<Database> {
        Ok(Database(join("", header, "x-ydb-database")?.into()))
    }

    /// The absolute path, or empty for the root.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a topic.
    pub(crate) fn topic(&self, path: &str) -> Checked<Arc<str>> {
        let key = self.folder(path)?;
        if key == self.0 {
            return Err(failure(BAD_REQUEST, format!("path: {path:?} names no topic")));
        }
        Ok(key)
    }

    /// The key of a topic or a folder; the database itself if the path is empty or `/`.
    pub(crate) fn folder(&self, path: &str) -> Checked<Arc<str>> {
        if !path.starts_with('/') || path == "/" {
            return Ok(join(&self.0, path, "path")?.into());
        }
        let key = join("", path, "path")?;
        let below = key.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !below {
            return Err(failure(
                SCHEME_ERROR,
                format!("path: {key} is not in the database {}, which the call names", self.0),
            ));
        }
        Ok(key.into())
    }
}

/// Puts the parts of a path behind a prefix that is normal already.
fn join(prefix: &str, path: &str, field: &str) -> Checked<String> {
    let wrong = |what: &str| Err(failure(BAD_REQUEST, format!("{field}: {path:?} {what}")));
    let mut key = prefix.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part == "." || part == ".." {
            return wrong("has a dot for a part, which is no name");
        }
        if part.chars().any(char::is_control) {
            return wrong("has a control character");
        }
        key.push('/');
        key.push_str(part);
    }
    if key.len() > LONGEST {
        return wrong(&format!("is longer than {LONGEST} bytes"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(database: &str, path: &str) -> Result<String, u32> {
        Database::new(database)
            .and_then(|database| database.topic(path))
            .map(|key| key.to_string())
            .map_err(|status| status.code)
    }

    #[test]
    fn every_way_to_write_a_name_leads_to_one_key() {
        for (database, path) in [
            ("/local", "events"),
            ("/local", "/local/events"),
            ("/local", "/local//events/"),
            ("local", "events"),
            ("/local/", "events/"),
            ("", "/local/events"),
            ("", "local/events"),
        ] {
            assert_eq!(key(database, path).unwrap(), "/local/events", "{database:?} {path:?}");
        }
        assert_eq!(key("/local", "a/b").unwrap(), "/local/a/b");
        assert_eq!(key("/local", "local/events").unwrap(), "/local/local/events");
    }

    #[test]
    fn what_names_no_topic_is_refused() {
        for (database, path, code) in [
            ("/local", "", BAD_REQUEST),
            ("/local", "/", BAD_REQUEST),
            ("/local", "/local", BAD_REQUEST),
            ("/local", "/local/", BAD_REQUEST),
            ("/local", "../other/t", BAD_REQUEST),
            ("/local", "a/./b", BAD_REQUEST),
            ("/local", "a\nb", BAD_REQUEST),
            ("/local/..", "a", BAD_REQUEST),
            ("/local", "/other/t", SCHEME_ERROR),
            ("/local", "/locals/t", SCHEME_ERROR),
        ] {
            assert_eq!(key(database, path), Err(code), "{database:?} {path:?}");
        }
        assert_eq!(key("/local", &"a".repeat(LONGEST)), Err(BAD_REQUEST));
    }
}
