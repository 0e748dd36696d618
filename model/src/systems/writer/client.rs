//! A writer as a node: connections for its streams, calls for its tickets. It decides nothing; the machine does.

use super::{
    Action, Input, SERVER,
    wire::{self, Msg, Request, Response},
};
use onceward_core::{
    CallId, Clock, Closed, ConnId, Machine, NodeId,
    writer::{self, Config, Event, Message, StreamId, Writer, failure::GrpcStatus},
};

/// The code of UNAVAILABLE: what a transport says of a connection that broke.
const UNAVAILABLE: u32 = 14;

/// A writer's process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    me: NodeId,
    writer: Writer,
}

impl Client {
    pub(in crate::systems) fn new(me: NodeId, config: Config) -> Client {
        match Writer::new(config) {
            Ok(writer) => Client { me, writer },
            // The header's settings were validated when the cluster was built.
            Err(bad) => unreachable!("an invalid configuration got past the header: {bad}"),
        }
    }

    /// The machine.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    fn conn(&self, stream: StreamId) -> ConnId {
        ConnId { initiator: self.me, number: stream.0 }
    }

    fn call(&mut self, clock: Clock, call: CallId, request: Request, out: &mut Vec<Action>) {
        let ticket = wire::ticket(call);
        let input = match request {
            Request::Write { codec, seq_no, bytes } => {
                let content = wire::content(call, bytes);
                let data = wire::encode(codec, &content);
                let uncompressed_size = content.len() as u64;
                let message = Message { codec, seq_no, uncompressed_size, ..Message::raw(data) };
                writer::Input::Write(ticket, message)
            }
            Request::Flush => writer::Input::Flush(ticket),
            Request::Close => writer::Input::Close(ticket),
            Request::Destroy => {
                self.tell(clock, writer::Input::Destroy, out);
                return out.push(Action::Reply(call, Response::Done));
            }
            Request::Server(_) => return out.push(Action::Reply(call, Response::Done)),
        };
        self.tell(clock, input, out);
    }

    fn tell(&mut self, clock: Clock, input: writer::Input, out: &mut Vec<Action>) {
        let mut said = Vec::new();
        self.writer.step(clock, input, &mut said);
        for action in said {
            match action {
                writer::Action::Open(stream) => out.push(Action::Connect(SERVER, stream.0)),
                writer::Action::Send(stream, said) => {
                    out.push(Action::Write(self.conn(stream), Msg::Up(said)))
                }
                writer::Action::Drop(stream) => out.push(Action::Close(self.conn(stream))),
                writer::Action::FetchToken => {
                    self.tell(clock, writer::Input::Token(Some("token".into())), out);
                }
                writer::Action::Arm(timer, window) => out.push(Action::Arm(timer, window)),
                writer::Action::Disarm(timer) => out.push(Action::Disarm(timer)),
                writer::Action::Tell(event) => answer(event, out),
                writer::Action::Mark(mark) => out.push(Action::Mark(mark)),
            }
        }
    }
}

/// Answers the calls that an event is about.
fn answer(event: Event, out: &mut Vec<Action>) {
    let mut reply = |ticket, response| out.push(Action::Reply(wire::call(ticket), response));
    match event {
        Event::Acknowledged(acks) => {
            for ack in acks {
                reply(ack.ticket, Response::Acknowledged { seq_no: ack.seq_no, outcome: ack.outcome });
            }
        }
        Event::Undelivered(messages) => {
            for message in messages.iter() {
                reply(message.ticket, Response::Undelivered { sent: message.sent });
            }
        }
        Event::Refused(ticket, refusal) => reply(ticket, Response::Refused(refusal)),
        Event::Flushed(ticket, how) => reply(ticket, Response::Flushed(how)),
        Event::Closed(ticket, report) => {
            let undelivered = report.undelivered.iter().map(|message| wire::call(message.ticket)).collect();
            reply(ticket, Response::Closed(report.end, undelivered));
        }
        Event::Session { .. } | Event::Lost(..) | Event::Writable | Event::Ended(_) => {}
    }
}

impl Machine for Client {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, clock: Clock, input: Input, out: &mut Vec<Action>) {
        let stream = |conn: ConnId| StreamId(conn.number);
        match input {
            Input::Boot => self.tell(clock, writer::Input::Start, out),
            Input::Call(call, request) => self.call(clock, call, request, out),
            Input::Opened(conn) => self.tell(clock, writer::Input::Opened(stream(conn)), out),
            Input::Received(conn, Msg::Down(said)) => {
                self.tell(clock, writer::Input::Received(stream(conn), said), out);
            }
            Input::Closed(conn, why) => {
                let broken = GrpcStatus { code: UNAVAILABLE, message: "the connection broke".into() };
                let why = (why != Closed::Finished).then_some(broken);
                self.tell(clock, writer::Input::Ended(stream(conn), why), out);
            }
            Input::Timer(timer) => self.tell(clock, writer::Input::Timer(timer), out),
            Input::Received(_, Msg::Up(_)) | Input::Message(..) | Input::Accepted(_) | Input::Disk(..) => {}
        }
    }
}
