//! The sessions of one consumer of one topic: who has which partition, who gets it next, and which commit is under way.
//! It decides when a partition may pass on.

use super::super::catalogue::{PartitionId, TopicId};
use super::balance::{Share, balance};
use super::{Ask, Out, Reader, Readers, Wish};
use crate::ConnId;
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// A consumer of a topic.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct GroupId {
    pub(super) topic: TopicId,
    pub(super) consumer: Arc<str>,
}

/// Its sessions and partitions.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Group {
    /// By the order in which they came.
    pub(super) members: BTreeMap<u64, ConnId>,
    /// By partition.
    pub(super) slots: Vec<Slot>,
}

/// A partition of a group.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Slot {
    /// Who has it.
    pub(super) holder: Option<Reader>,
    /// Who is to have it: the same as a rule.
    pub(super) owner: Option<ConnId>,
    /// A commit that is wished for and not durable.
    pub(super) commit: Option<u64>,
    /// The commit that is to follow it.
    pub(super) further: Option<u64>,
}

impl Group {
    /// Whether nothing would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.slots.iter().all(|slot| slot.commit.is_none())
    }
}

impl Readers {
    /// Shares the partitions of a group out among its sessions.
    pub(super) fn share_out(&mut self, ask: Ask<'_>, id: GroupId, out: &mut Out) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.is_idle() {
            self.groups.remove(&id);
            return;
        }
        let partitions = ask.catalogue.topic(id.topic).map_or(0, |topic| topic.partitions.len());
        group.slots.resize_with(partitions, Slot::default);
        let conns: Vec<ConnId> = group.members.values().copied().collect();
        let only = |conn| {
            let want = self.sessions.get(conn).and_then(|session| session.want(id.topic));
            want.map_or(&[][..], |want| &want.only)
        };
        let members: Vec<&[u32]> = conns.iter().map(only).collect();
        let index: BTreeMap<ConnId, usize> = conns.iter().copied().zip(0..).collect();
        let share = |slot: &Slot| Share {
            owner: slot.owner.and_then(|owner| index.get(&owner).copied()),
            held: slot.holder.map(|(conn, _)| conn) == slot.owner,
        };
        let mut shares: Vec<Share> = group.slots.iter().map(share).collect();
        balance(&members, &mut shares);
        for (slot, share) in group.slots.iter_mut().zip(shares) {
            slot.owner = share.owner.map(|owner| conns[owner]);
        }
        for number in (0..).take(partitions) {
            self.pass_on(ask, &id, number, out);
        }
    }

    /// Takes a partition from who is not to have it any more, and gives it to who is, as soon as that may be.
    pub(super) fn pass_on(&mut self, ask: Ask<'_>, id: &GroupId, number: u32, out: &mut Out) {
        let Some(slot) = self.slot(id, number) else { return };
        let (commit, owner) = (slot.commit, slot.owner);
        match (slot.holder, owner) {
            (Some(holder), _) if Some(holder.0) != owner => self.ask_back(ask, holder, out),
            (None, Some(_)) if commit.is_some() => {
                out.push(Wish::Mark("a partition waits for a commit that is not durable"));
            }
            (None, Some(conn)) => {
                let started = self.offer(ask, conn, PartitionId { topic: id.topic, number }, out);
                if let Some(slot) = self.slot(id, number) {
                    slot.holder = started.map(|session| (conn, session));
                }
            }
            _ => {}
        }
    }

    pub(super) fn slot(&mut self, id: &GroupId, number: u32) -> Option<&mut Slot> {
        self.groups.get_mut(id)?.slots.get_mut(number as usize)
    }

    /// The group of which a session reads a partition; none without a consumer.
    pub(super) fn group_of(&self, conn: ConnId, at: PartitionId) -> Option<GroupId> {
        let consumer = &self.sessions.get(&conn)?.consumer;
        (!consumer.is_empty()).then(|| GroupId { topic: at.topic, consumer: consumer.clone() })
    }

    /// A session has committed everything below an offset.
    pub(super) fn commit(&mut self, ask: Ask<'_>, conn: ConnId, at: PartitionId, offset: u64, out: &mut Out) {
        let Some(id) = self.group_of(conn, at) else { return };
        let Some(slot) = self.slot(&id, at.number) else { return };
        if slot.commit.is_some() {
            out.push(Wish::Mark("a commit waits for one that is not durable"));
            slot.further = slot.further.max(Some(offset));
        } else if ask.catalogue.partition(at).is_some_and(|there| offset > there.committed(&id.consumer)) {
            slot.commit = Some(offset);
            out.push(Wish::Commit { partition: at, consumer: id.consumer, offset });
        }
    }

    pub(super) fn commit_durable(&mut self, ask: Ask<'_>, at: PartitionId, consumer: &str, out: &mut Out) {
        let id = GroupId { topic: at.topic, consumer: consumer.into() };
        let offset = ask.catalogue.partition(at).map_or(0, |there| there.committed(consumer));
        let Some(slot) = self.slot(&id, at.number) else { return };
        if slot.commit.is_none_or(|commit| commit > offset) {
            return;
        }
        slot.commit = None;
        let holder = slot.holder;
        if let Some(further) = slot.further.take().filter(|further| *further > offset) {
            slot.commit = Some(further);
            let consumer = id.consumer.clone();
            out.push(Wish::Commit { partition: at, consumer, offset: further });
        }
        match holder {
            Some(reader) => self.tell_committed(reader, offset, out),
            None => self.pass_on(ask, &id, at.number, out),
        }
        if self.groups.get(&id).is_some_and(Group::is_idle) {
            self.groups.remove(&id);
        }
    }

    /// A call has moved the position.
    pub(super) fn moved(&mut self, ask: Ask<'_>, at: PartitionId, consumer: &str, out: &mut Out) {
        let id = GroupId { topic: at.topic, consumer: consumer.into() };
        let Some(slot) = self.slot(&id, at.number) else { return };
        // What waits was taken before the call's answer, and would undo it.
        slot.further = None;
        if let Some(holder) = slot.holder {
            self.stop_at_once(ask, holder, out);
        }
    }
}
