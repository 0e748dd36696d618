//! A recording of production again.

use super::{Context, Refused, Verdict, args};
use crate::validate::{Options, RunSeen, ValidateError};
use onceward::trace::{self, Ends};

pub(super) fn validate(context: &mut Context<'_>, args: &args::Validate) -> Result<Verdict, Refused> {
    let options = Options { cut_off: args.cut_off, disk: args.disk.clone() };
    let validated = trace::system(&args.recording).map_err(ValidateError::from).and_then(|system| {
        let subject = context.catalog.find(&system).map_err(ValidateError::NoSystem)?;
        subject.validate(&args.recording, &options)
    });
    match validated {
        Ok(validated) => {
            for (nth, run) in validated.runs.iter().enumerate() {
                writeln!(context.out, "{}", line(nth + 1, run))?;
            }
            let steps: u64 = validated.runs.iter().map(|run| run.steps).sum();
            writeln!(
                context.out,
                "{steps} steps again: every action as it was recorded, every promise kept"
            )?;
            Ok(Verdict::Passed)
        }
        Err(error) => {
            writeln!(context.out, "✗ {error}")?;
            Ok(Verdict::Failed)
        }
    }
}

fn line(nth: usize, run: &RunSeen) -> String {
    let RunSeen { chunks: (from, to), whole, first, steps, calls: (calls, answered), heard, ends, stopped } =
        run;
    let chunks = if from == to { format!("chunk {from}") } else { format!("chunks {from} to {to}") };
    let begins = if *whole { "from boot".to_owned() } else { format!("from step {first}") };
    let ends = match ends {
        Some(Ends::Stop) => "to the end",
        Some(Ends::Panic) => "to a panic",
        Some(Ends::Gap | Ends::Goes) => "to a gap",
        Some(Ends::Lost) => "to a gap, to the end of which nothing was recorded",
        None => "to a kill",
    };
    let mut line =
        format!("run {nth}, {chunks}, {begins} {ends}: {steps} steps, {calls} calls, {answered} answered");
    if let (connections @ 1.., words) = *heard {
        line.push_str(&format!(", {} on {}", count(words, "word"), count(connections, "connection")));
    }
    if let Some((step, why)) = stopped {
        line.push_str(&format!("; not beyond step {step}: {why}"));
    }
    line
}

fn count(number: u64, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}
