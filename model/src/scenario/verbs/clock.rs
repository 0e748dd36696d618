//! What can be done to a node's clocks.

use super::{Form, Help, Line, Said, name};
use crate::{
    scenario::span::{parse_span, print_span},
    system::Problem,
    world::{Choice, ClockChange},
};
use onceward_core::Dur;

pub(super) const FORMS: [Form; 1] = [Form {
    begins: &["NODE's", "clock"],
    help: Help {
        usage: "NODE's clock drifts PPM | steps +SPAN|-SPAN | freezes | runs steadily",
        help: "Lets both clocks of a node run fast or slow, lets the wall clock jump, stops both, or lets them run \
               at the true rate again.",
        example: "at 10ms store's clock steps -1h",
    },
    read,
}];

fn read(line: &mut Line<'_>) -> Result<Said, Problem> {
    let node = line.owner()?;
    line.skip(1);
    let change = match line.one_of(&["drifts", "steps", "freezes", "runs"])? {
        "drifts" => ClockChange::Drift(line.parsed("a rate such as `200ppm`", |text| {
            let rate = text.strip_suffix("ppm").and_then(|ppm| ppm.parse().ok());
            rate.ok_or_else(|| format!("`{text}` is no rate: one looks like `200ppm` or `-50ppm`"))
        })?),
        "steps" => ClockChange::Step(line.parsed("a step such as `+1h`", read_step)?),
        "freezes" => ClockChange::Freeze,
        _ => {
            line.one_of(&["steadily"])?;
            ClockChange::Steady
        }
    };
    Ok(Choice::Clock(node, change).into())
}

fn read_step(text: &str) -> Result<i64, String> {
    let (back, span) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(span), _) => (false, span),
        (_, Some(span)) => (true, span),
        _ => return Err(format!("`{text}` has no sign: a step looks like `+1h` or `-250ms`")),
    };
    let span = i128::from(parse_span(span)?.0);
    let too_far = |_| format!("`{text}` is too far: a step is at most 292 years");
    i64::try_from(if back { -span } else { span }).map_err(too_far)
}

pub(super) fn print<M, T, Q>(names: &[String], choice: &Choice<M, T, Q>) -> Option<String> {
    let Choice::Clock(node, change) = choice else { return None };
    let what = match change {
        ClockChange::Drift(ppm) => format!("drifts {ppm}ppm"),
        ClockChange::Step(by) => {
            let sign = if *by < 0 { '-' } else { '+' };
            format!("steps {sign}{}", print_span(Dur(by.unsigned_abs())))
        }
        ClockChange::Freeze => "freezes".to_owned(),
        ClockChange::Steady => "runs steadily".to_owned(),
    };
    Some(format!("{}'s clock {what}", name(names, *node)))
}
