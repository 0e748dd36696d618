//! Files of the fuzzer as scenarios, and scenarios as files of the fuzzer: one path in two forms.

use super::{Context, Refused, Verdict, args};
use crate::catalog::Decoded;
use args::Form;
use onceward_model::scenario;
use std::{fs, path::Path};

pub(super) fn convert(context: &mut Context<'_>, args: &args::Convert) -> Result<Verdict, Refused> {
    let name = args.input.display().to_string();
    let bytes = fs::read(&args.input).map_err(|e| format!("{name} cannot be read: {e}"))?;
    let is_text = args.input.extension().is_some_and(|end| end == "scenario");
    match args.to.unwrap_or(if is_text { Form::Corpus } else { Form::Scenario }) {
        Form::Corpus => to_corpus(context, args, &name, &bytes),
        Form::Scenario => to_scenario(context, args, &name, &bytes),
    }
}

fn to_corpus(
    context: &mut Context<'_>,
    args: &args::Convert,
    name: &str,
    bytes: &[u8],
) -> Result<Verdict, Refused> {
    let text = scenario::text_of(bytes).map_err(|error| error.in_file(name).to_string())?;
    let system = scenario::peek(text).map_err(|error| error.in_file(name).to_string())?;
    let picks = context.catalog.find(&system)?.encode(name, text)?;
    let out = args.out.clone().unwrap_or_else(|| args.input.with_extension("bytes"));
    write(&out, &picks)?;
    writeln!(context.out, "{}: {} bytes", out.display(), picks.len())?;
    Ok(Verdict::Passed)
}

fn to_scenario(
    context: &mut Context<'_>,
    args: &args::Convert,
    name: &str,
    bytes: &[u8],
) -> Result<Verdict, Refused> {
    let subject = match &args.system {
        Some(name) => context.catalog.find(name)?,
        None => context.catalog.all().next().ok_or_else(|| "there is no system".to_owned())?,
    };
    let Decoded { text, scope, steps, breaks } =
        subject.decode(bytes).map_err(|error| format!("{name}: {error}"))?;
    let Some(out) = &args.out else {
        write!(context.out, "{text}")?;
        return Ok(Verdict::Passed);
    };
    write(out, text.as_bytes())?;
    let breaks = breaks.map_or("breaks no promise".to_owned(), |promise| format!("breaks {promise}"));
    let out = out.display();
    writeln!(context.out, "{out}: {steps} steps of the scope {}/{scope}, {breaks}", subject.name())?;
    writeln!(context.out, "  replay  cargo sim replay {out} --engine check")?;
    Ok(Verdict::Passed)
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let done = folder.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(file, bytes));
    done.map_err(|error| format!("{} cannot be written: {error}", file.display()))
}
