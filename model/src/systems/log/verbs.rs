//! The event store's verbs of the scenario language: reads a call from the words of a line and writes it back. It
//! knows nothing of a store's state. Invariant: what [`label`] writes, [`parse`] reads as the same call.

use crate::{
    scenario::{bare, parse_span, print_span, quote, unknown},
    system::{Numbering, Problem, Verb, Word},
    world::client_name,
};
use bytes::Bytes;
use onceward_core::{
    CallId, ClientId, Dur,
    log::api::{
        EventId, Expected, Filter, Frontier, Key, Name, NewEvent, Part, Promise, Query, Receipt, Request,
        Response,
    },
};
use std::fmt::Write as _;

/// The verbs, for help pages.
pub(super) const VERBS: &[Verb] = &[
    Verb {
        word: "appends",
        usage: "CLIENT appends ENTITY \"PAYLOAD\"… [times N] [kind K] [scope S] [expecting any|no-stream|exists|SEQ] [key N] [id ID] [about ID] [because-of ID] [and ENTITY …] [within TIME]",
        help: "Appends one event for each payload to an entity, atomically; `and` adds another entity to the same request.",
    },
    Verb {
        word: "reads",
        usage: "CLIENT reads all|entity E|scope S|kind K|id ID|about ID|causes-of ID|effects-of ID [from POSITION] [limit N] [bytes N] [waiting TIME]",
        help: "Reads events in order of position.",
    },
    Verb { word: "syncs", usage: "CLIENT syncs", help: "Asks for everything accepted to be made durable." },
    Verb {
        word: "awaits",
        usage: "CLIENT awaits accepted|written|durable|visible POSITION",
        help: "Waits until a frontier has passed a position.",
    },
    Verb {
        word: "subscribes",
        usage: "CLIENT subscribes to all|entity E|… [keeping N]",
        help: "Opens a lossy subscription that keeps the last N notifications.",
    },
    Verb {
        word: "takes",
        usage: "CLIENT takes from N [waiting TIME]",
        help: "Takes what subscription N holds; the store numbers its subscriptions from 0.",
    },
    Verb { word: "unsubscribes", usage: "CLIENT unsubscribes from N", help: "Ends subscription N." },
    Verb {
        word: "saves",
        usage: "CLIENT saves READER at POSITION",
        help: "Stores a reader's cursor durably.",
    },
    Verb { word: "loads", usage: "CLIENT loads READER", help: "Asks for a reader's cursor." },
    Verb {
        word: "heads",
        usage: "CLIENT heads ENTITY",
        help: "Asks for an entity's last sequence and hash chain.",
    },
    Verb { word: "verifies", usage: "CLIENT verifies", help: "Has every checksum, chain and index checked." },
    Verb { word: "inspects", usage: "CLIENT inspects", help: "Asks for the store's status." },
    Verb { word: "closes", usage: "CLIENT closes", help: "Shuts the store down in an orderly way." },
];

/// The id that event `n` of a call has where the text names none.
pub(super) fn event_id(call: CallId, n: u32) -> EventId {
    EventId((u128::from(call.client.0) + 1) << 96 | u128::from(call.number) << 32 | u128::from(n))
}

const MAX_BYTES: u32 = 1 << 20;

/// A cursor over the words of a line.
struct Words<'a> {
    words: &'a [Word],
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self, wanted: &str) -> Result<&'a Word, Problem> {
        let word = self.words.get(self.at).ok_or_else(|| self.here(format!("{wanted} is missing here")))?;
        self.at += 1;
        Ok(word)
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).filter(|word| !word.quoted).map(|word| word.text.as_str())
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.peek() == Some(text);
        self.at += usize::from(found);
        found
    }

    /// A problem at the next word, or behind the last one.
    fn here(&self, what: String) -> Problem {
        match (self.words.get(self.at), self.words.last()) {
            (Some(word), _) => Problem { what, from: word.from, to: word.to },
            (None, Some(last)) => Problem { what, from: last.to, to: last.to + 1 },
            (None, None) => Problem { what, from: 0, to: 1 },
        }
    }

    fn number<N: std::str::FromStr>(&mut self, wanted: &str) -> Result<N, Problem> {
        let word = self.next(wanted)?;
        let wrong = || problem(word, format!("`{}` is no {wanted}", word.text));
        word.text.parse().map_err(|_| wrong())
    }

    fn name(&mut self, wanted: &str) -> Result<Name, Problem> {
        let word = self.next(wanted)?;
        Name::new(&word.text).map_err(|bad| problem(word, bad.to_string()))
    }

    fn id(&mut self) -> Result<EventId, Problem> {
        let word = self.next("an event id")?;
        parse_id(&word.text).ok_or_else(|| {
            problem(word, format!("`{}` is no event id: write CLIENT/CALL/EVENT or 0x…", word.text))
        })
    }

    fn span(&mut self) -> Result<Dur, Problem> {
        let word = self.next("a time span")?;
        parse_span(&word.text).map_err(|what| problem(word, what))
    }

    fn filter(&mut self) -> Result<Filter, Problem> {
        let word = self.next("what to read")?;
        Ok(match word.text.as_str() {
            "all" => Filter::All,
            "entity" => Filter::Entity(self.name("an entity")?),
            "scope" => Filter::Scope(self.name("a scope")?),
            "kind" => Filter::Kind(self.name("a kind")?),
            "id" => Filter::Id(self.id()?),
            "about" => Filter::Correlation(self.id()?),
            "causes-of" => Filter::CausesOf(self.id()?),
            "effects-of" => Filter::EffectsOf(self.id()?),
            other => {
                let known = ["all", "entity", "scope", "kind", "id", "about", "causes-of", "effects-of"];
                return Err(problem(word, unknown("filter", other, known)));
            }
        })
    }

    fn end(&self) -> Result<(), Problem> {
        if self.at < self.words.len() {
            Err(self.here("nothing more is expected here".into()))
        } else {
            Ok(())
        }
    }
}

fn problem(word: &Word, what: String) -> Problem {
    Problem { what, from: word.from, to: word.to }
}

fn parse_id(text: &str) -> Option<EventId> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u128::from_str_radix(hex, 16).ok().map(EventId);
    }
    let mut parts = text.split('/');
    let mut next = || parts.next()?.parse::<u64>().ok();
    let (client, number, n) = (next()?, next()?, next()?);
    let call =
        CallId { client: ClientId(u16::try_from(client).ok()?), number: u32::try_from(number).ok()?.into() };
    let id = event_id(call, u32::try_from(n).ok()?);
    parts.next().is_none().then_some(id)
}

fn show_id(id: EventId) -> String {
    let (client, number, n) = ((id.0 >> 96) as u64, (id.0 >> 32) as u64, id.0 as u32);
    let short = (1..=0x1_0000).contains(&client) && number <= u64::from(u32::MAX);
    if short { format!("{}/{number}/{n}", client - 1) } else { format!("{:#x}", id.0) }
}

/// Reads a call of `clients` clients.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn parse(
    clients: u16,
    numbering: &mut Numbering,
    words: &[Word],
) -> Result<(CallId, Request), Problem> {
    let mut words = Words { words, at: 0 };
    let who = words.next("a client")?;
    let number = who.text.strip_prefix("client-").and_then(|n| n.parse::<u16>().ok());
    let client = match number {
        Some(n) if (1..=clients).contains(&n) => ClientId(n - 1),
        Some(_) => {
            return Err(problem(
                who,
                format!("there is no `{}`: the cluster has {clients} client(s)", who.text),
            ));
        }
        None => return Err(problem(who, format!("`{}` is neither a client nor a node", who.text))),
    };
    let call = numbering.next(client);
    let verb = words.next("what the client does")?;
    let request = match verb.text.as_str() {
        "appends" => parse_append(&mut words, call)?,
        "reads" => parse_read(&mut words)?,
        "syncs" => Request::Barrier,
        "awaits" => {
            let word = words.next("a frontier")?;
            let frontier = match word.text.as_str() {
                "accepted" => Frontier::Accepted,
                "written" => Frontier::Written,
                "durable" => Frontier::Durable,
                "visible" => Frontier::Visible,
                other => {
                    let known = ["accepted", "written", "durable", "visible"];
                    return Err(problem(word, unknown("frontier", other, known)));
                }
            };
            Request::Await { frontier, position: words.number("position")? }
        }
        "subscribes" => {
            words.take("to");
            let filter = words.filter()?;
            let capacity = if words.take("keeping") { words.number("number")? } else { 16 };
            Request::Subscribe { filter, capacity }
        }
        "takes" => {
            words.take("from");
            let subscription = words.number("subscription number")?;
            let wait = if words.take("waiting") { words.span()? } else { Dur::ZERO };
            Request::Next { subscription, wait }
        }
        "unsubscribes" => {
            words.take("from");
            Request::Unsubscribe { subscription: words.number("subscription number")? }
        }
        "saves" => {
            let reader = words.name("a reader")?;
            words.take("at");
            Request::SaveCursor { reader, position: words.number("position")? }
        }
        "loads" => Request::LoadCursor { reader: words.name("a reader")? },
        "heads" => Request::Head { entity: words.name("an entity")? },
        "verifies" => Request::Verify,
        "inspects" => Request::Status,
        "closes" => Request::Shutdown,
        other => {
            let known: Vec<&str> = VERBS.iter().map(|verb| verb.word).collect();
            return Err(problem(verb, unknown("verb", other, known)));
        }
    };
    words.end()?;
    Ok((call, request))
}

fn parse_append(words: &mut Words<'_>, call: CallId) -> Result<Request, Problem> {
    let (mut parts, mut n) = (Vec::new(), 0);
    loop {
        parts.push(parse_part(words, call, &mut n)?);
        if !words.take("and") {
            break;
        }
    }
    let deadline = if words.take("within") { Some(words.span()?) } else { None };
    Ok(Request::Append { parts, deadline })
}

fn parse_part(words: &mut Words<'_>, call: CallId, n: &mut u32) -> Result<Part, Problem> {
    let entity = words.name("an entity")?;
    let mut payloads = Vec::new();
    while let Some(word) = words.words.get(words.at).filter(|word| word.quoted) {
        payloads.push(Bytes::from(word.text.clone()));
        words.at += 1;
    }
    if payloads.is_empty() {
        return Err(words.here("a payload in quotes is missing here".into()));
    }
    let (mut kind, mut scope) = (Name::new(KIND), Name::new(SCOPE));
    let (mut expected, mut key, mut id, mut correlation, mut causation) =
        (Expected::Any, None, None, None, None);
    loop {
        match words.peek() {
            Some("times") => {
                words.at += 1;
                let at = words.at;
                let times: usize = words.number("number")?;
                if !(1..=10_000).contains(&times) {
                    words.at = at;
                    return Err(words.here("between 1 and 10000 times, please".into()));
                }
                payloads = payloads.iter().cycle().take(payloads.len() * times).cloned().collect();
            }
            Some("kind") => {
                words.at += 1;
                kind = Ok(words.name("a kind")?);
            }
            Some("scope") => {
                words.at += 1;
                scope = Ok(words.name("a scope")?);
            }
            Some("key") => {
                words.at += 1;
                key = Some(Key(words.number("key (a number)")?));
            }
            Some("id") => {
                words.at += 1;
                id = Some(words.id()?);
            }
            Some("about") => {
                words.at += 1;
                correlation = Some(words.id()?);
            }
            Some("because-of") => {
                words.at += 1;
                causation = Some(words.id()?);
            }
            Some("expecting") => {
                words.at += 1;
                expected = match words.peek() {
                    Some("any") => Expected::Any,
                    Some("no-stream") => Expected::NoStream,
                    Some("exists") => Expected::Exists,
                    _ => Expected::Exact(words.number("guard: write any, no-stream, exists or a sequence")?),
                };
                words.at += usize::from(!matches!(expected, Expected::Exact(_)));
            }
            _ => break,
        }
    }
    let bad = |_| words.here("a built-in name is not a name".into());
    let (kind, scope) = (kind.map_err(bad)?, scope.map_err(bad)?);
    let first = id.unwrap_or_else(|| event_id(call, *n));
    *n += payloads.len() as u32;
    let event = |(n, payload)| NewEvent {
        id: EventId(first.0.wrapping_add(n)),
        kind: kind.clone(),
        scope: scope.clone(),
        correlation,
        causation,
        payload,
    };
    Ok(Part { entity, expected, key, events: (0u128..).zip(payloads).map(event).collect() })
}

const KIND: &str = "noted";
const SCOPE: &str = "main";

fn parse_read(words: &mut Words<'_>) -> Result<Request, Problem> {
    let mut query = Query { filter: words.filter()?, from: 0, limit: 1000, max_bytes: MAX_BYTES, wait: None };
    loop {
        match words.peek() {
            Some("from") => {
                words.at += 1;
                query.from = words.number("position")?;
            }
            Some("limit") => {
                words.at += 1;
                query.limit = words.number("number")?;
            }
            Some("bytes") => {
                words.at += 1;
                query.max_bytes = words.number("number")?;
            }
            Some("waiting") => {
                words.at += 1;
                query.wait = Some(words.span()?);
            }
            _ => return Ok(Request::Read(query)),
        }
    }
}

/// Writes a call as a line that [`parse`] reads as the same call.
pub(super) fn label(call: CallId, request: &Request) -> String {
    let mut line = client_name(call.client) + " ";
    match request {
        Request::Append { parts, deadline } => {
            let mut n = 0;
            for (at, part) in parts.iter().enumerate() {
                line.push_str(if at == 0 { "appends " } else { " and " });
                label_part(&mut line, call, part, n);
                n += part.events.len() as u32;
            }
            if let Some(deadline) = deadline {
                let _ = write!(line, " within {}", print_span(*deadline));
            }
        }
        Request::Read(query) => {
            let _ = write!(line, "reads {}", label_filter(&query.filter));
            if query.from != 0 {
                let _ = write!(line, " from {}", query.from);
            }
            if query.limit != 1000 {
                let _ = write!(line, " limit {}", query.limit);
            }
            if query.max_bytes != MAX_BYTES {
                let _ = write!(line, " bytes {}", query.max_bytes);
            }
            if let Some(wait) = query.wait {
                let _ = write!(line, " waiting {}", print_span(wait));
            }
        }
        Request::Barrier => line.push_str("syncs"),
        Request::Await { frontier, position } => {
            let _ = write!(line, "awaits {} {position}", format!("{frontier:?}").to_lowercase());
        }
        Request::Subscribe { filter, capacity } => {
            let _ = write!(line, "subscribes to {} keeping {capacity}", label_filter(filter));
        }
        Request::Next { subscription, wait } => {
            let _ = write!(line, "takes from {subscription}");
            if *wait != Dur::ZERO {
                let _ = write!(line, " waiting {}", print_span(*wait));
            }
        }
        Request::Unsubscribe { subscription } => {
            let _ = write!(line, "unsubscribes from {subscription}");
        }
        Request::SaveCursor { reader, position } => {
            let _ = write!(line, "saves {} at {position}", bare(reader.as_str()));
        }
        Request::LoadCursor { reader } => {
            let _ = write!(line, "loads {}", bare(reader.as_str()));
        }
        Request::Head { entity } => {
            let _ = write!(line, "heads {}", bare(entity.as_str()));
        }
        Request::Verify => line.push_str("verifies"),
        Request::Status => line.push_str("inspects"),
        Request::Shutdown => line.push_str("closes"),
    }
    line
}

fn label_part(line: &mut String, call: CallId, part: &Part, n: u32) {
    line.push_str(&bare(part.entity.as_str()));
    let (payloads, times) = fold(part);
    for payload in &part.events[..payloads] {
        let _ = write!(line, " {}", quote(&String::from_utf8_lossy(&payload.payload)));
    }
    if times > 1 {
        let _ = write!(line, " times {times}");
    }
    let Some(first) = part.events.first() else { return };
    if first.kind.as_str() != KIND {
        let _ = write!(line, " kind {}", bare(first.kind.as_str()));
    }
    if first.scope.as_str() != SCOPE {
        let _ = write!(line, " scope {}", bare(first.scope.as_str()));
    }
    match part.expected {
        Expected::Any => {}
        Expected::NoStream => line.push_str(" expecting no-stream"),
        Expected::Exists => line.push_str(" expecting exists"),
        Expected::Exact(last) => {
            let _ = write!(line, " expecting {last}");
        }
    }
    if let Some(key) = part.key {
        let _ = write!(line, " key {}", key.0);
    }
    if first.id != event_id(call, n) {
        let _ = write!(line, " id {}", show_id(first.id));
    }
    if let Some(id) = first.correlation {
        let _ = write!(line, " about {}", show_id(id));
    }
    if let Some(id) = first.causation {
        let _ = write!(line, " because-of {}", show_id(id));
    }
}

/// How many payloads repeat how often.
fn fold(part: &Part) -> (usize, usize) {
    let payload = |n: usize| &part.events[n].payload;
    let len = part.events.len();
    let repeats = |period: &usize| {
        len.is_multiple_of(*period) && (*period..len).all(|n| payload(n) == payload(n - period))
    };
    let period = (1..=len).find(repeats).unwrap_or(len.max(1));
    (period.min(len), len / period.max(1))
}

fn label_filter(filter: &Filter) -> String {
    match filter {
        Filter::All => "all".into(),
        Filter::Entity(name) => format!("entity {}", bare(name.as_str())),
        Filter::Scope(name) => format!("scope {}", bare(name.as_str())),
        Filter::Kind(name) => format!("kind {}", bare(name.as_str())),
        Filter::Id(id) => format!("id {}", show_id(*id)),
        Filter::Correlation(id) => format!("about {}", show_id(*id)),
        Filter::CausesOf(id) => format!("causes-of {}", show_id(*id)),
        Filter::EffectsOf(id) => format!("effects-of {}", show_id(*id)),
    }
}

/// An answer in a few words.
pub(super) fn answer(response: &Response) -> String {
    match response {
        Response::Appended(receipts) => {
            let one = |r: &Receipt| {
                let promise = if r.promise == Promise::Durable { "durable" } else { "written" };
                let again = if r.duplicate { " (again)" } else { "" };
                format!("{} event(s) {promise} at {}{again}", r.count, r.position)
            };
            receipts.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Response::Events { events, next, end } => {
            let more = if *end { "no more" } else { "and more" };
            format!("{} event(s), {more}, next {next}", events.len())
        }
        Response::Refused(refusal) => format!("refused: {refusal}"),
        Response::Status(status) => format!("{:?}, {:?}", status.phase, status.frontiers),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{scenario::words, system::Numbering};

    /// Reads a line as the `n`th call of its client.
    fn read(line: &str, before: u64) -> Result<(CallId, Request), Problem> {
        let mut numbering = Numbering::default();
        for client in 0..4 {
            (0..before).for_each(|_| assert_eq!(numbering.next(ClientId(client)).client.0, client));
        }
        parse(4, &mut numbering, &words(line, 0).unwrap())
    }

    #[test]
    fn a_person_may_leave_out_what_is_usual() {
        let (call, request) =
            read(r#"client-2 appends order-17 "created" "paid" expecting no-stream"#, 0).unwrap();
        let Request::Append { parts, deadline: None } = request else { panic!("{request:?}") };
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].expected, Expected::NoStream);
        assert_eq!(
            parts[0].events.iter().map(|e| e.id).collect::<Vec<_>>(),
            [event_id(call, 0), event_id(call, 1)]
        );
        assert_eq!(label(call, &Request::Barrier), "client-2 syncs");
    }

    #[test]
    fn mistakes_name_their_place() {
        for (line, what, from) in [
            (r#"client-9 syncs"#, "there is no `client-9`: the cluster has 4 client(s)", 0),
            (r#"client-1 appnds a "x""#, "there is no verb `appnds`", 9),
            (r#"client-1 appends a"#, "a payload in quotes is missing here", 18),
            (r#"client-1 appends a "x" expecting soon"#, "`soon` is no guard", 33),
            (r#"client-1 reads id 7"#, "`7` is no event id", 18),
            (r#"client-1 reads all backwards"#, "nothing more is expected here", 19),
            (r#"client-1 appends a "x" times 0"#, "between 1 and 10000 times", 29),
        ] {
            let problem = read(line, 0).unwrap_err();
            assert!(problem.what.starts_with(what), "{line}: {}", problem.what);
            assert_eq!(problem.from, from, "{line}");
        }
    }
}
