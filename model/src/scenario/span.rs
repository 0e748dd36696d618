//! Times and spans as text: `0ms`, `1.5s`, `300us`, `7ns`. Read in any unit and with decimals as far as they are whole
//! nanoseconds; written in the largest unit that needs none. Invariant: what is written reads back as the same span.

use super::suggest;
use onceward_core::Dur;

/// Units, largest first, in nanoseconds.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A span as text.
pub fn print_span(span: Dur) -> String {
    let exact = |(_, size): &&(&str, u64)| span.0.is_multiple_of(*size);
    match UNITS.iter().find(exact) {
        Some((unit, size)) if span.0 > 0 => format!("{}{unit}", span.0 / size),
        _ => "0ms".to_owned(),
    }
}

/// Reads a span.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn parse_span(text: &str) -> Result<Dur, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(format!("`{text}` is no time: a number and a unit are, such as `5ms` or `1.5s`"));
    }
    let unit = if unit == "µs" || unit == "μs" { "us" } else { unit };
    let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit {
            "" => format!("a time needs a unit: `{number}ms`, for example"),
            _ => suggest::unknown("unit of time", unit, UNITS.iter().map(|(name, _)| *name)),
        });
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let too_long = || format!("`{text}` is too long: the end of time is {}", print_span(Dur::MAX));
    if whole.is_empty() || part.is_empty() || part.contains('.') {
        return Err(format!("`{number}` is no number"));
    }
    let part = part.trim_end_matches('0');
    let finer = || format!("`{text}` is finer than a nanosecond");
    // Twelve decimals are the finest that make whole nanoseconds of any unit here, and some to spare.
    let scale =
        u32::try_from(part.len()).ok().filter(|n| *n <= 13).map(|n| 10u128.pow(n)).ok_or_else(finer)?;
    let part: u128 = if part.is_empty() { 0 } else { part.parse().map_err(|_| finer())? };
    let whole: u128 = whole.parse().map_err(|_| too_long())?;
    let exact = whole.checked_mul(u128::from(*size)).ok_or_else(too_long)?;
    let beyond = part * u128::from(*size);
    if !beyond.is_multiple_of(scale) {
        return Err(finer());
    }
    let nanos = exact.checked_add(beyond / scale).ok_or_else(too_long)?;
    u64::try_from(nanos).map(Dur).map_err(|_| too_long())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_written_in_the_largest_exact_unit() {
        let written = [0, 7, 300_000, 1_500_000_000, 60_000_000_000, 3_600_000_000_000, u64::MAX]
            .map(|n| print_span(Dur(n)));
        assert_eq!(written, ["0ms", "7ns", "300us", "1500ms", "1min", "1h", "18446744073709551615ns"]);
    }

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(parse_span("1.5s"), Ok(Dur::millis(1500)));
        assert_eq!(parse_span("0.000001ms"), Ok(Dur(1)));
        assert_eq!(parse_span("2.50µs"), Ok(Dur(2500)));
        assert!(parse_span("0.5ns").unwrap_err().contains("finer"));
        assert!(parse_span("6000000h").unwrap_err().contains("too long"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse_span("5").unwrap_err().contains("needs a unit"));
        assert!(parse_span("5mss").unwrap_err().contains("`ms`"));
        assert!(parse_span("99999999999999999999s").unwrap_err().contains("too long"));
        for bad in ["", "ms", "1.s", ".5s", "1..5s", "-5ms", "5 ms", "1.2.3s"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn spans_round_trip(n in any::<u64>(), shift in 0..63u32) {
            let span = Dur(n >> shift);
            prop_assert_eq!(parse_span(&print_span(span)), Ok(span));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = parse_span(&text);
        }
    }
}
