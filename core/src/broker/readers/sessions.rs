//! How read sessions begin and end, and who hears what a reader says. It decides whether a reader may read what it names.

use super::super::catalogue::{Catalogue, PartitionId, TopicId};
use super::super::status::{OVERLOADED, SCHEME_ERROR, status};
use super::group::GroupId;
use super::parts::bad;
use super::session::{Load, Session, Want};
use super::{Ask, Out, Readers, Wish};
use crate::ConnId;
use crate::reader::wire::{FromClient, FromServer, Init, PartitionSessionId, TopicFilter};
use crate::writer::wire::Status;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    sync::Arc,
    vec::Vec,
};

impl Readers {
    /// What a reader says.
    ///
    /// # Errors
    /// The session is over, for this reason.
    pub(super) fn hear(
        &mut self,
        ask: Ask<'_>,
        conn: ConnId,
        said: FromClient,
        out: &mut Out,
    ) -> Result<(), Status> {
        let Some(session) = self.sessions.get_mut(&conn) else {
            let FromClient::Init(init) = said else {
                return Err(bad("the first request does not open a session"));
            };
            return self.begin(ask, conn, init, out);
        };
        match said {
            FromClient::Init(_) => return Err(bad("a second request to open a session")),
            FromClient::Read { bytes } => {
                session.credit = session.credit.saturating_add_unsigned(bytes);
                self.wake(ask, conn);
            }
            FromClient::Commit(commits) => self.commits(ask, conn, &commits, out)?,
            FromClient::Status(id) => self.tell_status(ask, (conn, id), out),
            FromClient::Started { session, read_offset, commit_offset } => {
                self.started(ask, (conn, session), read_offset, commit_offset, out)?;
            }
            FromClient::Stopped(id) => self.stopped(ask, (conn, id), out)?,
            FromClient::UpdateToken(_) => out.push(Wish::Send(conn, FromServer::TokenUpdated)),
        }
        Ok(())
    }

    fn begin(&mut self, ask: Ask<'_>, conn: ConnId, init: Init, out: &mut Out) -> Result<(), Status> {
        if self.sessions.len() >= ask.config.sessions as usize {
            return Err(status(OVERLOADED, "too many read sessions"));
        }
        let wants = wants(ask.catalogue, &init)?;
        self.opened += 1;
        let number = self.opened;
        let name: Arc<str> = match &*init.consumer {
            "" => format!("reader_{number}").into(),
            consumer => format!("{consumer}_{number}").into(),
        };
        out.push(Wish::Send(conn, FromServer::Init { session_id: name.clone() }));
        let topics: Vec<TopicId> = wants.iter().map(|want| want.topic).collect();
        let session = Session {
            number,
            name,
            consumer: init.consumer.clone(),
            wants,
            credit: 0,
            last: PartitionSessionId(0),
            parts: BTreeMap::new(),
            ready: BTreeSet::new(),
            turn: PartitionSessionId(0),
            queued: false,
            planned: 0,
            awaited: 0,
            load: Load::default(),
        };
        self.sessions.insert(conn, session);
        for topic in topics {
            if init.consumer.is_empty() {
                self.offer_all(ask, conn, topic, out);
            } else {
                let group = GroupId { topic, consumer: init.consumer.clone() };
                self.groups.entry(group.clone()).or_default().members.insert(number, conn);
                self.unsettled.insert(group);
            }
        }
        Ok(())
    }

    /// Offers a session without a consumer every partition that it wants and does not have.
    fn offer_all(&mut self, ask: Ask<'_>, conn: ConnId, topic: TopicId, out: &mut Out) {
        let Some(session) = self.sessions.get(&conn) else { return };
        let Some(want) = session.want(topic) else { return };
        let has: BTreeSet<PartitionId> = session.parts.values().map(|part| part.at).collect();
        let partitions = ask.catalogue.topic(topic).map_or(0, |topic| topic.partitions.len());
        let lacks: Vec<PartitionId> = (0..)
            .take(partitions)
            .filter(|number| want.only.is_empty() || want.only.binary_search(number).is_ok())
            .map(|number| PartitionId { topic, number })
            .filter(|at| !has.contains(at))
            .collect();
        for at in lacks {
            self.offer(ask, conn, at, out);
        }
    }

    /// Ends a session for a reason.
    pub(super) fn fail(&mut self, conn: ConnId, status: Status, out: &mut Out) {
        self.end(conn);
        out.push(Wish::Send(conn, FromServer::Failed(status)));
        out.push(Wish::Close(conn));
    }

    /// Ends a session.
    pub(super) fn end(&mut self, conn: ConnId) {
        for id in self.parts_of(conn) {
            self.forget_asked((conn, id), 0);
            let part = self.sessions.get_mut(&conn).and_then(|session| session.parts.remove(&id));
            if let Some(part) = part {
                self.vacate((conn, id), &part);
            }
        }
        let Some(session) = self.sessions.remove(&conn) else { return };
        self.loaded.remove(&conn);
        self.fetches.leave(conn, session.queued);
        for want in session.wants.iter().filter(|_| !session.consumer.is_empty()) {
            let id = GroupId { topic: want.topic, consumer: session.consumer.clone() };
            if let Some(group) = self.groups.get_mut(&id) {
                group.members.remove(&session.number);
            }
            self.unsettled.insert(id);
        }
    }

    /// A topic has changed, or is gone.
    pub(super) fn changed(&mut self, ask: Ask<'_>, topic: TopicId, out: &mut Out) {
        let of_topic = self.sessions.iter().filter(|(_, session)| session.want(topic).is_some());
        let of_topic: Vec<(ConnId, Arc<str>)> =
            of_topic.map(|(conn, session)| (*conn, session.consumer.clone())).collect();
        for (conn, consumer) in of_topic {
            if ask.catalogue.topic(topic).is_none() {
                self.fail(conn, status(SCHEME_ERROR, "the topic was dropped"), out);
            } else if consumer.is_empty() {
                self.offer_all(ask, conn, topic, out);
            } else if ask.catalogue.consumer(topic, &consumer).is_none() {
                self.fail(conn, bad(&format!("the consumer {consumer} was dropped")), out);
            } else {
                self.unsettled.insert(GroupId { topic, consumer });
            }
        }
        self.groups.retain(|group, _| {
            group.topic != topic || ask.catalogue.consumer(topic, &group.consumer).is_some()
        });
    }
}

/// Judges what a reader wants.
fn wants(catalogue: &Catalogue, init: &Init) -> Result<Vec<Want>, Status> {
    let mut wants: Vec<Want> = Vec::new();
    if init.topics.is_empty() {
        return Err(bad("no topic to read"));
    }
    let mut seen = BTreeSet::new();
    for TopicFilter { path, partitions, max_lag, read_from } in &init.topics {
        let Some((topic, about)) = catalogue.find(path) else {
            return Err(status(SCHEME_ERROR, format!("there is no topic {path}")));
        };
        if !seen.insert(topic) {
            return Err(bad(&format!("the topic {path} is named twice")));
        }
        if !init.consumer.is_empty() && !about.settings.consumers.contains_key(&init.consumer) {
            return Err(bad(&format!("the topic {path} has no consumer {}", init.consumer)));
        }
        if let Some(number) = partitions.iter().find(|number| **number as usize >= about.partitions.len()) {
            return Err(bad(&format!("the topic {path} has no partition {number}")));
        }
        let mut only = partitions.clone();
        only.sort_unstable();
        only.dedup();
        let (path, max_lag, read_from) = (path.clone(), *max_lag, *read_from);
        wants.push(Want { topic, path, only, max_lag, read_from });
    }
    Ok(wants)
}
