//! The names by which machines, drivers and worlds refer to each other's things. They are small numbers, never
//! addresses; what they mean is decided where they are made.

/// A machine in a cluster. Numbers are dense from 0 within one world.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NodeId(pub u16);

/// A disk operation that a machine has asked for. The machine chooses the number; it must not be in use by an
/// unanswered operation of the same incarnation, and may be used again after the answer.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct OpId(pub u32);

/// Somebody outside all machines who calls them: a thread of the embedding program, a simulated client.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ClientId(pub u16);

/// One call of one client. A client never uses a number twice.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CallId {
    /// Who calls.
    pub client: ClientId,
    /// The client's own count of its calls.
    pub number: u64,
}

/// A connection: an ordered, reliable-until-broken stream of messages between two nodes. Both ends know it by the
/// same name.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ConnId {
    /// The node that opened it.
    pub initiator: NodeId,
    /// Chosen by the initiator, not in use by another open connection of its.
    pub number: u32,
}
