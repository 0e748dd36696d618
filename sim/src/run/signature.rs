//! Which failures are taken for the same. A signature is what stays of a violation when everything is left out that
//! another run of the same mistake would have otherwise: numbers, ids, times, payloads, how many steps bear witness. It
//! is what findings are grouped by, and what must not change while a failure is made smaller.

use onceward_model::world::Violation;
use std::fmt;

/// What a failure is, whichever run shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signature {
    /// The system.
    pub system: &'static str,
    /// The broken promise.
    pub promise: &'static str,
    /// In what way: the oracle's sentence without numbers, ids and quotations.
    pub what: String,
    /// How the steps that contradict the promise begin, up to the first thing that differs from run to run. Several
    /// in a row that begin alike count as one.
    pub steps: Vec<String>,
}

impl Signature {
    /// The signature of a violation of a system's promise.
    pub fn of(system: &'static str, violation: &Violation) -> Signature {
        let mut steps: Vec<String> = violation.evidence.iter().map(|(_, what)| beginning(what)).collect();
        steps.dedup();
        Signature { system, promise: violation.promise, what: sentence(&violation.what), steps }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.system, self.promise, self.what)
    }
}

/// A sentence with `N` for numbers, `#` for ids and `"…"` for quotations.
fn sentence(text: &str) -> String {
    let unquoted = text.split('"').step_by(2).collect::<Vec<_>>().join("\"…\"");
    let words: Vec<String> = unquoted.split_whitespace().map(plain).collect();
    words.join(" ")
}

fn plain(word: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let digits = core.strip_prefix("0x").unwrap_or(core);
    if digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return word.replace(core, "#");
    }
    let mut plain = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            '0'..='9' if plain.ends_with('N') => {}
            '0'..='9' => plain.push('N'),
            c => plain.push(c),
        }
    }
    plain
}

/// The words before the first that is a name, a number, or anything but a word.
fn beginning(text: &str) -> String {
    let is_word = |word: &&str| word.trim_end_matches([',', ';']).chars().all(char::is_alphabetic);
    let words: Vec<&str> = text.split_whitespace().take_while(is_word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use onceward_model::world::Seen;

    fn signature(what: &str, steps: &[&str]) -> Signature {
        let violation = Violation::new("keeps", what);
        Signature::of("toy", &steps.iter().fold(violation, |v, step| v.at(Seen::default(), *step)))
    }

    #[test]
    fn numbers_ids_quotations_and_repetitions_do_not_count() {
        let one = signature(
            "event 0000000a00000001 of \"abc\" is gone (log/x.rs:17)",
            &["position 5 held a 1", "position 6 held b 2", "asked: a read"],
        );
        let other = signature(
            "event ffffffff00000001 of \"\" is gone (log/x.rs:9)",
            &["position 1 held entity-3 8", "asked: another"],
        );
        assert_eq!(one, other);
        assert_eq!(one.what, "event # of \"…\" is gone (log/x.rs:N)");
        assert_eq!(one.steps, ["position", ""]);
    }

    #[test]
    fn promise_place_and_kind_of_step_count() {
        let one = signature("gone (a.rs:1)", &["the append was asked for"]);
        assert_ne!(one, signature("gone (b.rs:1)", &["the append was asked for"]));
        assert_ne!(one, signature("gone (a.rs:1)", &["the read was asked for"]));
        assert_ne!(one, signature("gone (a.rs:1)", &[]));
    }
}
