//! A file of settings for a command. It decides nothing about what they mean: each is an option of the command, by its name,
//! and becomes its default, so that the environment and the command line count more, and all of them are judged alike.

use anyhow::{Context, bail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use std::ffi::OsString;
use toml::de::{DeTable, DeValue};

/// The option that names the file.
const FILE: &str = "config";

/// The command, with what the file says that the arguments name for this one of its subcommands.
///
/// # Errors
/// If the file cannot be read, or says something that the subcommand has no option for or would not take.
pub(super) fn applied(command: Command, subcommand: &str, args: &[OsString]) -> anyhow::Result<Command> {
    // What else is wrong with the arguments is told later.
    let known = command.clone().ignore_errors(true).try_get_matches_from(args);
    let Some(file) = known.ok().and_then(|matches| {
        let (_, of) = matches.subcommand().filter(|(name, _)| *name == subcommand)?;
        of.get_one::<std::path::PathBuf>(FILE).cloned()
    }) else {
        return Ok(command);
    };
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let table = DeTable::parse(&text).with_context(|| file.display().to_string())?;
    let Some(of) = command.find_subcommand(subcommand) else { return Ok(command) };
    let mut said: Vec<_> = table.get_ref().iter().collect();
    said.sort_unstable_by_key(|(name, _)| name.span().start);
    let mut settings = Vec::with_capacity(said.len());
    for (name, value) in said {
        let (option, value) = judged(of, name.get_ref(), value.get_ref()).with_context(|| {
            let line = 1 + text[..name.span().start].matches('\n').count();
            format!("{}:{line}: {}", file.display(), name.get_ref())
        })?;
        settings.push((option.get_id().clone(), value));
    }
    Ok(command.mut_subcommand(subcommand, |of| {
        settings
            .into_iter()
            .fold(of, |of, (id, value)| of.mut_arg(id, |option| option.required(false).default_value(value)))
    }))
}

/// The option of a setting, and what it is set to.
fn judged<'a>(command: &'a Command, name: &str, value: &DeValue<'_>) -> anyhow::Result<(&'a Arg, String)> {
    let takes = |option: &&Arg| matches!(option.get_action(), ArgAction::Set) && option.get_id() != FILE;
    let options = || command.get_arguments().filter(takes);
    let Some(option) = options().find(|option| option.get_long() == Some(name)) else {
        let known: Vec<&str> = options().filter_map(Arg::get_long).collect();
        bail!("there is no such setting; there is {}", known.join(", "));
    };
    let value = match value {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.to_string(),
            Err(_) => bail!("{number} is too large"),
        },
        _ => bail!("write a text or a whole number"),
    };
    let alone = [String::new(), format!("--{name}={value}")];
    match command.clone().disable_help_flag(true).try_get_matches_from(alone) {
        Err(error) if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) => {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            match (why, error.get(ContextKind::InvalidValue)) {
                (Some(why), _) => bail!("{value:?} does not do: {why}"),
                (None, Some(ContextValue::String(empty))) if empty.is_empty() => bail!("a value is missing"),
                _ => bail!("{value:?} does not do"),
            }
        }
        // What is missing may come from elsewhere.
        _ => Ok((option, value)),
    }
}
