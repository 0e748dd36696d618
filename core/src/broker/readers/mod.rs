//! STUB until the branch `read` is merged.
use super::Config;
use super::catalogue::*;
use crate::reader::wire::*;
use crate::writer::wire::Status;
use crate::{Clock, ConnId, Mono};
use alloc::{sync::Arc, vec::Vec};
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Readers;
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Wish {
    Send(ConnId, FromServer),
    Close(ConnId),
    Fetch { token: u64, at: PartitionId, span: Span },
    Commit { partition: PartitionId, consumer: Arc<str>, offset: u64 },
    Alarm(Option<Mono>),
    Mark(&'static str),
}
pub(super) enum Fetched {
    Batch(Arc<Batch>),
    Moved,
    Failed,
}
type Out = Vec<Wish>;
impl Readers {
    pub(super) fn has(&self, _: ConnId) -> bool {
        false
    }
    pub(super) fn open(&mut self, _: Clock, _: &Config, _: &Catalogue, _: ConnId, _: Init, _: &mut Out) {}
    pub(super) fn received(
        &mut self,
        _: Clock,
        _: &Config,
        _: &Catalogue,
        _: ConnId,
        _: FromClient,
        _: &mut Out,
    ) {
    }
    pub(super) fn closed(&mut self, _: Clock, _: &Config, _: &Catalogue, _: ConnId, _: &mut Out) {}
    pub(super) fn timer(&mut self, _: Clock, _: &Config, _: &Catalogue, _: &mut Out) {}
    pub(super) fn shown(&mut self, _: Clock, _: &Config, _: &Catalogue, _: PartitionId, _: &mut Out) {}
    pub(super) fn topic_changed(&mut self, _: Clock, _: &Config, _: &Catalogue, _: TopicId, _: &mut Out) {}
    pub(super) fn fetched(&mut self, _: Clock, _: &Config, _: &Catalogue, _: u64, _: Fetched, _: &mut Out) {}
    pub(super) fn committed(
        &mut self,
        _: Clock,
        _: &Config,
        _: &Catalogue,
        _: PartitionId,
        _: &str,
        _: u64,
        _: &mut Out,
    ) {
    }
    pub(super) fn commit_moved(
        &mut self,
        _: Clock,
        _: &Config,
        _: &Catalogue,
        _: PartitionId,
        _: &str,
        _: &mut Out,
    ) {
    }
    pub(super) fn close_all(&mut self, _: &mut Out, _: &Status) {}
    pub(super) fn len(&self) -> usize {
        0
    }
    pub(super) fn reader_of(&self, _: PartitionId, _: &str) -> Option<Arc<str>> {
        None
    }
}
