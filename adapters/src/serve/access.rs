//! Who may do what. Decides it by a list that is read once, when the broker starts: without one everybody may do
//! everything; with one, whoever cannot show a token of the list may do nothing but log in.
//!
//! Secrets are looked up by their hash, so that how long an answer takes tells nothing about them. The token that a login
//! gives follows from name and password: it outlives the broker, and ends with the password.

use super::ServeError;
use super::status::{Checked, UNAUTHORIZED, failure};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Who may do what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access(Option<Arc<List>>);

#[derive(Debug, Default)]
struct List {
    tokens: HashMap<blake3::Hash, Arc<Subject>>,
    /// By the hash of name and password: the token that a login gives.
    logins: HashMap<blake3::Hash, String>,
}

/// Somebody who may do something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    name: String,
    read: Patterns,
    write: Patterns,
    admin: Patterns,
}

/// What can be done with a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Right {
    /// Read, commit.
    Read,
    /// Write.
    Write,
    /// Make, change, drop.
    Admin,
    /// Know how it stands: who may do anything else with it may that.
    Look,
}

/// Topics by their absolute names; one that ends in `*` stands for all that begin so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
struct Patterns(Vec<String>);

/// The list as a file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(default)]
    tokens: Vec<Token>,
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    name: String,
    token: String,
    #[serde(default)]
    read: Patterns,
    #[serde(default)]
    write: Patterns,
    #[serde(default)]
    admin: Patterns,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    password: String,
    #[serde(default)]
    read: Patterns,
    #[serde(default)]
    write: Patterns,
    #[serde(default)]
    admin: Patterns,
}

impl Patterns {
    fn cover(&self, topic: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => topic.starts_with(prefix),
            None => topic == pattern,
        })
    }

    /// The first that no topic can have, for they all begin with a slash.
    fn nonsense(&self) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|pattern| !pattern.starts_with('/') && *pattern != "*")
    }
}

fn secret(kind: &str, parts: [&str; 2]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("onceward 2026 secrets of a broker's access list");
    for part in [kind].iter().chain(&parts) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize()
}

impl Access {
    /// Reads a list.
    pub(crate) fn read(file: &Path) -> Result<Access, ServeError> {
        let wrong = |what: String| ServeError::Access { file: file.to_path_buf(), what };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        Access::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Access, String> {
        let listed: Listed = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut list = List::default();
        for Token { name, token, read, write, admin } in listed.tokens {
            list.add(&token, Subject { name, read, write, admin })?;
        }
        for User { name, password, read, write, admin } in listed.users {
            let token = secret("login", [&name, &password]).to_hex().to_string();
            list.logins.insert(secret("user", [&name, &password]), token.clone());
            list.add(&token, Subject { name, read, write, admin })?;
        }
        Ok(Access(Some(Arc::new(list))))
    }

    /// Who shows this token; `None` where everybody may do everything.
    pub(crate) fn subject(&self, token: &[u8]) -> Checked<Option<Arc<Subject>>> {
        let Some(list) = &self.0 else { return Ok(None) };
        let refused = |what: &str| Err(failure(UNAUTHORIZED, what));
        if token.is_empty() {
            return refused("this broker wants an access token: x-ydb-auth-ticket is missing or empty");
        }
        let known =
            str::from_utf8(token).ok().and_then(|token| list.tokens.get(&secret("token", [token, ""])));
        match known {
            Some(subject) => Ok(Some(subject.clone())),
            None => refused("the access token is not known here"),
        }
    }

    /// The token of a user. Where everybody may do everything any will do.
    pub(crate) fn login(&self, user: &str, password: &str) -> Checked<String> {
        let Some(list) = &self.0 else { return Ok(format!("user:{user}")) };
        let token = list.logins.get(&secret("user", [user, password])).cloned();
        token.ok_or_else(|| failure(UNAUTHORIZED, "user or password are wrong"))
    }
}

impl List {
    fn add(&mut self, token: &str, subject: Subject) -> Result<(), String> {
        let Subject { name, read, write, admin } = &subject;
        if token.is_empty() {
            return Err(format!("{name}: the token is empty"));
        }
        if let Some(pattern) = [read, write, admin].iter().find_map(|patterns| patterns.nonsense()) {
            return Err(format!("{name}: {pattern:?} is no absolute name of a topic, such as /local/events"));
        }
        let name = name.clone();
        match self.tokens.insert(secret("token", [token, ""]), Arc::new(subject)) {
            None => Ok(()),
            Some(other) => {
                Err(format!("{} and {name} have the same token, or are the same user", other.name))
            }
        }
    }
}

impl Subject {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether something may be done with a topic.
    pub(crate) fn may(&self, right: Right, topic: &str) -> bool {
        match right {
            Right::Read => self.read.cover(topic),
            Right::Write => self.write.cover(topic),
            Right::Admin => self.admin.cover(topic),
            Right::Look => [&self.read, &self.write, &self.admin].iter().any(|some| some.cover(topic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{
        "tokens": [
            { "name": "ingest", "token": "in", "write": ["/local/events", "/local/raw/*"] },
            { "name": "root", "token": "all", "read": ["*"], "write": ["*"], "admin": ["*"] }
        ],
        "users": [{ "name": "anna", "password": "secret", "read": ["/local/events"] }]
    }"#;

    #[test]
    fn who_is_listed_may_what_is_listed() {
        let access = Access::parse(LIST).unwrap();
        let subject = |token: &str| access.subject(token.as_bytes()).unwrap().unwrap();
        let ingest = subject("in");
        for (right, topic, may) in [
            (Right::Write, "/local/events", true),
            (Right::Look, "/local/events", true),
            (Right::Write, "/local/events2", false),
            (Right::Write, "/local/raw/a/b", true),
            (Right::Read, "/local/events", false),
            (Right::Admin, "/local/raw/a", false),
            (Right::Look, "/local/other", false),
        ] {
            assert_eq!(ingest.may(right, topic), may, "{right:?} {topic}");
        }
        assert!(
            [Right::Read, Right::Write, Right::Admin].iter().all(|right| subject("all").may(*right, "/x"))
        );

        let anna = subject(&access.login("anna", "secret").unwrap());
        assert!(anna.may(Right::Read, "/local/events") && !anna.may(Right::Write, "/local/events"));
    }

    #[test]
    fn nobody_else_may_anything() {
        let access = Access::parse(LIST).unwrap();
        for token in [&b""[..], b"other", b"secret", b"\xff"] {
            assert_eq!(access.subject(token).unwrap_err().code, UNAUTHORIZED);
        }
        for (user, password) in [("anna", ""), ("anna", "Secret"), ("ingest", "in"), ("annas", "ecret")] {
            assert_eq!(access.login(user, password).unwrap_err().code, UNAUTHORIZED);
        }
    }

    #[test]
    fn without_a_list_everybody_may_everything() {
        let access = Access::default();
        assert!(access.subject(b"").unwrap().is_none() && access.subject(b"whatever").unwrap().is_none());
        assert!(access.login("anybody", "").is_ok());
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"tokens": [{"name": "a"}]}"#, "missing field `token` at line 1 column 25"),
            (r#"{"user": []}"#, "unknown field `user`, expected `tokens` or `users` at line 1 column 7"),
            (r#"{"tokens": [{"name": "a", "token": ""}]}"#, "a: the token is empty"),
            (
                r#"{"tokens": [{"name": "a", "token": "x", "read": ["events"]}]}"#,
                "a: \"events\" is no absolute name of a topic, such as /local/events",
            ),
            (
                r#"{"tokens": [{"name": "a", "token": "x"}, {"name": "b", "token": "x"}]}"#,
                "a and b have the same token, or are the same user",
            ),
        ] {
            assert_eq!(Access::parse(text).unwrap_err(), why);
        }
    }
}
