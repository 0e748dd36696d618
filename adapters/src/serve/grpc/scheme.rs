//! Folders. Decides that a folder is there as long as a topic is below it: none is ever made or removed. A database is
//! always there. Topics that a caller may do nothing with are not there for it.

use super::glue::result;
use super::{Api, Caller};
use crate::serve::access::Right;
use crate::serve::convert::topic::entry;
use crate::serve::proto::common::Any;
use crate::serve::proto::services::{DescribePathResult, Entry, ListDirectoryResult};
use crate::serve::proto::topic::PathRequest;
use crate::serve::status::{Checked, SCHEME_ERROR, failure};
use onceward_core::broker::api::{Refusal, Request, Response};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) async fn list(api: Api, caller: Caller, request: PathRequest) -> Checked<Option<Any>> {
    let path = caller.database.folder(&request.path)?;
    let (entry, children) = look(&api, &caller, &path).await?;
    Ok(result("Scheme.ListDirectoryResult", &ListDirectoryResult { entry: Some(entry), children }))
}

pub(super) async fn describe(api: Api, caller: Caller, request: PathRequest) -> Checked<Option<Any>> {
    let path = caller.database.folder(&request.path)?;
    let (entry, _) = look(&api, &caller, &path).await?;
    Ok(result("Scheme.DescribePathResult", &DescribePathResult { entry: Some(entry) }))
}

/// A folder need not be made before there are topics in it.
pub(super) async fn make(_: Api, caller: Caller, request: PathRequest) -> Checked<Option<Any>> {
    caller.database.folder(&request.path)?;
    Ok(None)
}

/// What is at a path, and what is directly below it.
async fn look(api: &Api, caller: &Caller, path: &Arc<str>) -> Checked<(Entry, Vec<Entry>)> {
    let topic = api.inner.backend.call(Request::Describe { path: path.clone() }).await;
    match topic {
        Ok(Response::Topic(topic)) if caller.can(Right::Look, path) => {
            return Ok((entry(&topic), Vec::new()));
        }
        Ok(Response::Topic(_)) => {}
        Ok(Response::Refused(Refusal::NoTopic(_) | Refusal::Invalid(_))) => {}
        Ok(Response::Refused(refusal)) => return Err(crate::serve::status::refused(&refusal)),
        Ok(other) => return Err(Api::strange(&other)),
        Err(lost) => return Err(crate::serve::status::lost(lost)),
    }
    let prefix = format!("{path}/");
    let mut names = match api.ask(Request::List { prefix: prefix.as_str().into() }).await? {
        Response::Topics(names) => names,
        other => return Err(Api::strange(&other)),
    };
    names.retain(|name| caller.can(Right::Look, name));
    let database = **path == *caller.database.as_str();
    if names.is_empty() && !database {
        return Err(failure(SCHEME_ERROR, format!("there is nothing at {path}")));
    }
    let kind = if database { Entry::DATABASE } else { Entry::DIRECTORY };
    Ok((named(path.rsplit('/').next().unwrap_or_default(), kind), below(&prefix, &names)))
}

/// The next parts of names that begin with a prefix, each once.
fn below(prefix: &str, names: &[Arc<str>]) -> Vec<Entry> {
    let mut kinds = BTreeMap::new();
    for name in names {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let (part, kind) = match rest.split_once('/') {
            Some((folder, _)) => (folder, Entry::DIRECTORY),
            None => (rest, Entry::TOPIC),
        };
        // A topic may have the name of a folder; it is shown as the topic.
        kinds.entry(part).and_modify(|known: &mut i32| *known = (*known).max(kind)).or_insert(kind);
    }
    kinds.into_iter().map(|(part, kind)| named(part, kind)).collect()
}

fn named(name: &str, kind: i32) -> Entry {
    Entry { name: name.to_owned(), owner: String::new(), kind, size_bytes: 0, created_at: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_entries_once() {
        let names = ["/l/a", "/l/b/c", "/l/b/d", "/l/e", "/l/e/f"].map(Arc::from);
        let seen: Vec<_> = below("/l/", &names).into_iter().map(|entry| (entry.name, entry.kind)).collect();
        let expected = [("a", Entry::TOPIC), ("b", Entry::DIRECTORY), ("e", Entry::TOPIC)]
            .map(|(n, k)| (n.to_owned(), k));
        assert_eq!(seen, expected);
    }
}
