//! The values of a profile as text: spans and ranges of them, odds, rates, yes and no. What is written reads back as the
//! same value.

use super::span::{parse_span, print_span};
use onceward_core::Dur;

/// One value of a profile.
pub(super) enum Value<'a> {
    Range(&'a mut (Dur, Dur)),
    Span(&'a mut Dur),
    Rate(&'a mut u64),
    Odds(&'a mut u32),
    Flag(&'a mut bool),
}

impl Value<'_> {
    /// Takes over what a text says.
    pub(super) fn read(self, text: &str) -> Result<(), String> {
        match self {
            Value::Range(range) => {
                let (from, to) = text.split_once("..").unwrap_or((text, text));
                *range = (parse_span(from)?, parse_span(to)?);
                if range.0 > range.1 {
                    return Err(format!("`{from}` is more than `{to}`"));
                }
            }
            Value::Span(span) => *span = parse_span(text)?,
            Value::Rate(rate) => *rate = parse_rate(text)?,
            Value::Odds(odds) => *odds = parse_odds(text)?,
            Value::Flag(flag) => {
                *flag = match text {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(format!("`{text}` is neither `yes` nor `no`")),
                }
            }
        }
        Ok(())
    }

    /// The value as text.
    pub(super) fn print(self) -> String {
        match self {
            Value::Range((from, to)) if from == to => print_span(*from),
            Value::Range((from, to)) => format!("{}..{}", print_span(*from), print_span(*to)),
            Value::Span(span) => print_span(*span),
            Value::Rate(rate) => print_rate(*rate),
            Value::Odds(odds) => print_odds(*odds),
            Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        }
    }
}

/// Odds in millionths as per cent, exactly.
fn print_odds(odds: u32) -> String {
    let (whole, part) = (odds / 10_000, odds % 10_000);
    let decimals = format!("{part:04}");
    match decimals.trim_end_matches('0') {
        "" => format!("{whole}%"),
        decimals => format!("{whole}.{decimals}%"),
    }
}

fn parse_odds(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` are no odds: they look like `2%`, `0.05%` or `500ppm`, at most `100%`");
    let number = if let Some(ppm) = text.strip_suffix("ppm") {
        ppm.parse::<u32>().map_err(|_| wrong())?
    } else {
        let percent = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, part) = percent.split_once('.').unwrap_or((percent, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 4 || whole.len() > 3 {
            return Err(wrong());
        }
        // At most three and four digits: both fit.
        let whole: u32 = whole.parse().map_err(|_| wrong())?;
        let part: u32 = format!("{part:0<4}").parse().map_err(|_| wrong())?;
        whole * 10_000 + part
    };
    if number <= 1_000_000 { Ok(number) } else { Err(wrong()) }
}

const RATES: [(&str, u64); 4] = [("GB/s", 1_000_000_000), ("MB/s", 1_000_000), ("kB/s", 1_000), ("B/s", 1)];

fn print_rate(rate: u64) -> String {
    let exact = RATES.iter().find(|(_, size)| rate.is_multiple_of(*size));
    match exact {
        Some((unit, size)) if rate > 0 => format!("{}{unit}", rate / size),
        _ => "unlimited".to_owned(),
    }
}

fn parse_rate(text: &str) -> Result<u64, String> {
    if text == "unlimited" {
        return Ok(0);
    }
    let read = RATES.iter().find_map(|(unit, size)| {
        let number = text.strip_suffix(unit)?.parse::<u64>().ok()?;
        number.checked_mul(*size).filter(|rate| *rate > 0)
    });
    read.ok_or_else(|| {
        format!("`{text}` is no rate: one looks like `10MB/s` or `500kB/s`, or is `unlimited`")
    })
}
