//! What a recording of a machine in production needs to know of it: how its state and what it is told become data, and
//! which parts of a request are bulky contents that stand in a log anyway. It decides nothing and does no I/O.
//!
//! Invariant: a request whose contents were taken out and put back is the same request.

use crate::{
    CallId, DiskResult, Input, Never, Node, OpId,
    log::{
        api::{Promise, Request, Response},
        store::EventStore,
    },
};
use alloc::{boxed::Box, string::String, vec::Vec};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

/// A machine without a network whose inputs can be recorded and given to it again.
pub trait Recorded:
    Node<
        Message = Never,
        Timer: Serialize + DeserializeOwned,
        Request: Serialize + DeserializeOwned,
        Response: Serialize,
    > + Serialize
    + DeserializeOwned
{
    /// The name of the system that it belongs to, as scenarios and commands know it.
    const SYSTEM: &'static str;

    /// Takes the bulky contents out of a request, in order.
    fn take_contents(request: &mut Self::Request) -> Vec<Bytes>;

    /// Puts contents back where they were taken out; says false, and leaves the request incomplete, if these are not as
    /// many.
    fn put_contents(request: &mut Self::Request, contents: Vec<Bytes>) -> bool;

    /// Where the machine's log now holds the contents of a request that was answered so, for good: ranges of positions,
    /// first and number, in the order of the contents. `None` if they are not known to be there.
    fn places(response: &Self::Response) -> Option<Vec<(u64, u32)>>;
}

impl Recorded for EventStore {
    const SYSTEM: &'static str = "log";

    fn take_contents(request: &mut Request) -> Vec<Bytes> {
        match request {
            Request::Append { parts, .. } => {
                let events = parts.iter_mut().flat_map(|part| &mut part.events);
                events.map(|event| core::mem::take(&mut event.payload)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn put_contents(request: &mut Request, contents: Vec<Bytes>) -> bool {
        let Request::Append { parts, .. } = request else { return contents.is_empty() };
        let mut contents = contents.into_iter();
        let mut enough = true;
        for event in parts.iter_mut().flat_map(|part| &mut part.events) {
            match contents.next() {
                Some(payload) => event.payload = payload,
                None => enough = false,
            }
        }
        enough && contents.next().is_none()
    }

    fn places(response: &Response) -> Option<Vec<(u64, u32)>> {
        match response {
            Response::Appended(receipts) if receipts.iter().all(|r| r.promise == Promise::Durable) => {
                Some(receipts.iter().map(|receipt| (receipt.position, receipt.count)).collect())
            }
            _ => None,
        }
    }
}

/// What a machine without a network can be told: an [`Input`] as data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Told<T, Q> {
    /// See [`Input::Boot`].
    Boot,
    /// See [`Input::Disk`].
    Disk(OpId, DiskResult),
    /// See [`Input::Timer`].
    Timer(T),
    /// See [`Input::Call`].
    Call(CallId, Q),
}

impl<T, Q> Told<T, Q> {
    /// The same, unless it came over a network.
    pub fn of(input: Input<Never, T, Q>) -> Option<Told<T, Q>> {
        match input {
            Input::Boot => Some(Told::Boot),
            Input::Disk(id, result) => Some(Told::Disk(id, result)),
            Input::Timer(timer) => Some(Told::Timer(timer)),
            Input::Call(call, request) => Some(Told::Call(call, request)),
            Input::Opened(_) | Input::Accepted(_) | Input::Closed(..) => None,
            Input::Message(_, never) | Input::Received(_, never) => match never {},
        }
    }

    /// As a machine takes it.
    pub fn input(self) -> Input<Never, T, Q> {
        match self {
            Told::Boot => Input::Boot,
            Told::Disk(id, result) => Input::Disk(id, result),
            Told::Timer(timer) => Input::Timer(timer),
            Told::Call(call, request) => Input::Call(call, request),
        }
    }
}

/// Reads words that the code itself has as constants. They are never given back: whoever reads a recording meets a
/// handful of them.
pub(crate) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
    String::deserialize(from).map(|text| &*Box::leak(text.into_boxed_str()))
}
