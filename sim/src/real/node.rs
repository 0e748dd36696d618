//! The child's side: one node under the production host, spoken to in lines. It answers until nobody speaks to it any
//! more; it decides nothing.
//!
//! It is told `call CLIENT NUMBER TEXT` and `settled?`; it says `ready`, `answer CLIENT NUMBER HEX`, `lost CLIENT NUMBER
//! WORDS`, `settled yes|no`, `mark NAME` and `panicked`.

use super::RealError;
use crate::pane::{Pane, Watched};
use onceward::driver::{
    files::Files,
    host::{Host, Options},
    metrics::Metrics,
};
use onceward_core::{CallId, ClientId, Mark, NodeId};
use onceward_model::{
    scenario,
    system::{Hosted, HostedVisitor, Numbering, System},
    world::{Choice, Key, Nobody, Protocol, Time, World},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io::{self, BufRead, Write},
    path::Path,
    sync::{Arc, Mutex},
};

/// Which node a process is, and where it lives.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// The node's number.
    pub node: NodeId,
    /// The configuration it boots under.
    pub config: u8,
    /// The folder that is its disk.
    pub folder: &'a Path,
    /// The most bytes that each of its files may have.
    pub limit: Option<u64>,
}

/// Is one node of the cluster that a scenario's text describes, until standard input ends.
///
/// # Errors
/// The node cannot be started, or its folder not be used.
pub fn serve<S: System>(text: &str, seat: Seat<'_>) -> Result<(), RealError> {
    struct Serve<'a, P>(Arc<P>, Seat<'a>);
    impl<P: Protocol> HostedVisitor<P> for Serve<'_, P> {
        type Out = Result<(), RealError>;
        fn visit<S: Hosted<Protocol = P>>(self) -> Self::Out {
            Serving::<S>::start(self.0, self.1)?.listen()
        }
    }
    let (protocol, _) = scenario::load::<S>(text).map_err(|error| RealError::Start(error.to_string()))?;
    S::hosted(Serve(protocol, seat)).unwrap_or(Err(RealError::NotHosted(S::NAME)))
}

/// What a limit of space is to a process.
pub(super) fn limited(bytes: Option<u64>) -> Rlimit {
    let usual = getrlimit(Resource::Fsize);
    Rlimit { current: bytes.or(usual.maximum), maximum: usual.maximum }
}

type MachineOf<S> = <<S as System>::Protocol as Protocol>::Node;

struct Serving<S: Hosted> {
    protocol: Arc<S::Protocol>,
    config: u8,
    pane: Pane<MachineOf<S>>,
    host: Arc<Host<Watched<MachineOf<S>>>>,
    voice: Arc<Voice>,
}

/// What is said, one line at a time.
#[derive(Default)]
struct Voice(Mutex<()>);

impl Voice {
    fn say(&self, line: &str) {
        let guard = self.0.lock();
        // Nobody may be left who listens; this process ends soon then.
        let _ = writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush());
        drop(guard);
    }
}

impl Metrics for Voice {
    fn mark(&self, mark: Mark) {
        self.say(&format!("mark {}", mark.0));
    }

    fn panicked(&self, _: bool) {
        self.say("panicked");
    }
}

impl<S: Hosted> Serving<S> {
    fn start(protocol: Arc<S::Protocol>, seat: Seat<'_>) -> Result<Serving<S>, RealError> {
        let Seat { node, config, folder, limit } = seat;
        let start = |what, source| RealError::Process { what, source };
        setrlimit(Resource::Fsize, limited(limit))
            .map_err(|error| start("the size of files cannot be limited", error.into()))?;
        let files = Files::create(folder).map_err(|error| RealError::Start(error.to_string()))?;
        let voice = Arc::new(Voice::default());
        let pane = Pane::new(protocol.boot(node, config));
        let make = {
            let (protocol, pane) = (protocol.clone(), pane.clone());
            move || {
                pane.replace(protocol.boot(node, config));
                Watched::new(pane.clone(), ())
            }
        };
        let options = Options { metrics: voice.clone(), ..Options::default() };
        let host = Host::start(files, options, |_, _| {}, make)
            .map_err(|error| start("the host cannot be started", error))?;
        Ok(Serving { protocol, config, pane, host: Arc::new(host), voice })
    }

    fn listen(self) -> Result<(), RealError> {
        self.voice.say("ready");
        for line in io::stdin().lock().lines() {
            let line =
                line.map_err(|source| RealError::Process { what: "standard input cannot be read", source })?;
            match line.split_once(' ') {
                Some(("call", rest)) => self.call(rest)?,
                _ => self.voice.say(if self.settled() { "settled yes" } else { "settled no" }),
            }
        }
        self.host.stop();
        Ok(())
    }

    fn call(&self, text: &str) -> Result<(), RealError> {
        let mut parts = text.splitn(3, ' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (Some(client), Some(number)) = (number(), number()) else {
            return Err(RealError::Call(text.to_owned()));
        };
        let request = read::<S>(&self.protocol, number, parts.next().unwrap_or(""))
            .ok_or_else(|| RealError::Call(text.to_owned()))?;
        let (host, voice) = (self.host.clone(), self.voice.clone());
        // As a program's own threads would.
        std::thread::spawn(move || match host.ask(request) {
            Ok(response) => voice.say(&format!("answer {client} {number} {}", hex(&S::encode(&response)))),
            Err(lost) => voice.say(&format!("lost {client} {number} {lost}")),
        });
        Ok(())
    }

    /// Whether the machine calls itself settled, with nothing known of what clients have seen, and with all others
    /// like itself.
    fn settled(&self) -> bool {
        let mut world = World::new(self.protocol.clone(), 0).outside();
        for n in 0..self.protocol.nodes() {
            let boot = Choice::Boot(NodeId(n), self.config);
            // An empty world has nothing that a start could break.
            let _ = world.apply(Time(0), &boot, Key::ANY, &mut Nobody);
            world.place(NodeId(n), self.pane.copy());
        }
        world.settled()
    }
}

/// The text of a call for another process, made as if by the first client: which client it was is said beside it.
pub(super) fn text<S: Hosted>(
    protocol: &S::Protocol,
    node: NodeId,
    call: CallId,
    request: &onceward_model::world::Req<S::Protocol>,
) -> Option<String> {
    let text = protocol.call_label(node, CallId { client: ClientId(0), ..call }, request);
    (read::<S>(protocol, call.number, &text).as_ref() == Some(request) && !text.contains('\n'))
        .then_some(text)
}

/// Reads such a text.
fn read<S: Hosted>(
    protocol: &S::Protocol,
    number: u64,
    text: &str,
) -> Option<onceward_model::world::Req<S::Protocol>> {
    let call = CallId { client: ClientId(0), number };
    let words = scenario::words(text, 0).ok()?;
    S::parse_call(protocol, &mut Numbering::from(call), &words).ok().map(|(_, _, request)| request)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that a text of [`hex`] stands for.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some((digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?) as u8)).collect()
}
