//! What the server sends of its messages, when, and how it lies about them. A reader is sent no more than it has asked for,
//! but for the last message.

use super::{
    Action,
    server::{Server, say},
    wire::Lie,
};
use onceward_core::{
    ConnId, Wall,
    reader::wire::{Batch, FromServer, PartitionData, PartitionSessionId},
    writer::wire::{Codec, Numbered, Payload},
};

/// Bytes of each payload.
const PAYLOAD: u64 = 8;
/// What a message counts beyond its payload.
const EXTRA: u64 = 2;

impl Server {
    /// Takes what a stream is sent next, as far as its credit reaches: of all partitions that it reads, or of one in any
    /// case. With it, what it counts.
    fn draw(&mut self, conn: ConnId, only: Option<PartitionSessionId>) -> Option<(Vec<PartitionData>, u64)> {
        let stream = self.streams.get_mut(&conn)?;
        let (mut room, mut bytes, mut all) = (self.response, 0, Vec::new());
        for (id, session) in &mut stream.sessions {
            let reads = session.begun && (!session.stopping || self.late);
            if !only.map_or(reads, |only| only == *id) {
                continue;
            }
            let gone = &mut self.partitions[session.partition].gone;
            let mut batches: Vec<Batch> = Vec::new();
            while room > 0 && stream.credit > bytes as i64 && session.next < self.messages {
                let offset = session.next;
                // Somebody must be told of a message behind it, or it is never committed.
                if self.gap > 0 && offset + 1 < self.messages && gone.insert(offset) {
                    self.gap -= 1;
                }
                session.next += 1;
                if gone.contains(&offset) {
                    continue;
                }
                let end = |batch: &Batch| batch.offset + batch.messages.len() as u64;
                match batches.last_mut() {
                    Some(batch) if end(batch) == offset => {
                        batch.messages.push(message(session.partition, offset))
                    }
                    _ => batches.push(batch(session.partition, offset)),
                }
                (room, bytes) = (room - 1, bytes + PAYLOAD + EXTRA);
            }
            if !batches.is_empty() {
                self.late &= !session.stopping;
                all.push(PartitionData { session: *id, batches });
            }
        }
        (!all.is_empty()).then_some((all, bytes))
    }

    fn send(&mut self, conn: ConnId, partitions: Vec<PartitionData>, bytes: u64, out: &mut Vec<Action>) {
        if let Some(stream) = self.streams.get_mut(&conn) {
            stream.credit -= bytes as i64;
        }
        say(conn, FromServer::Data { partitions, bytes }, out);
    }

    /// Sends what may be sent, and lies if it can.
    pub(super) fn serve(&mut self, out: &mut Vec<Action>) {
        for conn in self.streams.keys().copied().collect::<Vec<_>>() {
            while let Some((data, bytes)) = self.draw(conn, None) {
                match self.lie {
                    Some(Lie::Repeat) => {
                        self.send(conn, data.clone(), bytes, out);
                        self.lie = None;
                    }
                    Some(Lie::Understate) => {
                        self.lie = None;
                        let messages = bytes / (PAYLOAD + EXTRA);
                        self.send(conn, data, messages * PAYLOAD - 1, out);
                        continue;
                    }
                    _ => {}
                }
                self.send(conn, data, bytes, out);
            }
            self.lies(conn, out);
        }
    }

    /// Tells the lie that is due, if this stream is in a state for it.
    fn lies(&mut self, conn: ConnId, out: &mut Vec<Action>) {
        let Some(stream) = self.streams.get_mut(&conn) else { return };
        let mut sessions = stream.sessions.iter();
        match self.lie {
            Some(Lie::Overdraw) if stream.credit <= 0 => {
                let before = std::mem::replace(&mut stream.credit, 1);
                let drawn = self.draw(conn, None);
                if let Some(stream) = self.streams.get_mut(&conn) {
                    stream.credit = before;
                }
                let Some((data, bytes)) = drawn else { return };
                self.send(conn, data, bytes, out);
            }
            Some(Lie::GiveTwice) => {
                let Some((id, session)) = sessions.next() else { return };
                let (id, partition) = (*id, session.partition);
                say(conn, self.start(id, partition), out);
            }
            Some(Lie::Unbegun) => {
                let Some((id, _)) = sessions.find(|(_, session)| !session.begun) else { return };
                let id = *id;
                let Some((data, bytes)) = self.draw(conn, Some(id)) else { return };
                self.send(conn, data, bytes, out);
            }
            Some(Lie::Claim(more)) => {
                let Some((id, session)) = sessions.find(|(_, session)| session.begun) else { return };
                say(conn, FromServer::Committed(vec![(*id, session.next + u64::from(more))]), out);
            }
            Some(Lie::Overdraw | Lie::Repeat | Lie::Understate) | None => return,
        }
        self.lie = None;
    }
}

fn batch(partition: usize, offset: u64) -> Batch {
    Batch {
        offset,
        producer_id: "producer".into(),
        session_meta: [].into(),
        codec: Codec::RAW,
        written_at: Wall(0),
        messages: vec![message(partition, offset)],
    }
}

/// A message, which says where it is.
fn message(partition: usize, offset: u64) -> Numbered {
    let mut data = format!("{partition}/{offset}").into_bytes();
    data.resize(PAYLOAD as usize, b'.');
    let payload = Payload {
        data: data.into(),
        codec: Codec::RAW,
        uncompressed_size: PAYLOAD,
        created_at: Wall(0),
        metadata: vec![],
    };
    Numbered { seq_no: offset + 1, payload }
}
