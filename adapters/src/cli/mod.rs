//! The command line: what can be asked for, and who does it. Decides arguments and help texts; everything about events
//! is the library's.

mod append;
mod exit;
mod import;
mod inspect;
mod log;
mod read;
#[cfg(feature = "serve")]
mod serve;
mod session;
#[cfg(feature = "serve")]
mod settings;
#[cfg(any(feature = "serve", feature = "topic"))]
mod signal;
#[cfg(feature = "topic")]
mod topic;

use anyhow::Context;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use exit::Exit;
use session::Session;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser, Debug)]
#[command(name = "onceward", version, about = "A durable, exactly-once event store and topic broker", after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print results and errors as JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Work with a store of events in a folder
    #[command(after_help = exit::HELP)]
    Log(Log),
    /// Serve a topic broker to the clients of YDB topics
    #[cfg(feature = "serve")]
    #[command(after_long_help = serve::HELP)]
    Serve(serve::Serve),
    /// Work with the topics of a server: of `onceward serve`, or of any other that speaks the YDB Topic API
    #[cfg(feature = "topic")]
    Topic(topic::Topic),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug)]
struct Log {
    #[command(subcommand)]
    command: Box<LogCommand>,
    /// Record everything that the store's machine is told and answers, in this folder, for `cargo sim validate`
    #[arg(long, global = true, value_name = "FOLDER")]
    record: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum LogCommand {
    /// Append one event; the store is made if there is none
    Append(append::Append),
    /// Append each line of a file as an event; the store is made if there is none
    #[command(after_long_help = import::HELP)]
    Import(import::Import),
    /// Print events, each payload as it is and a newline; no newline where an import found none
    Read(read::Read),
    /// Print the last events
    Tail(read::Tail),
    /// Read everything back and check every checksum, hash chain and digest
    Verify(Store),
    /// Print how a store is and what its recovery found
    Stats(Store),
    /// Copy a store into a new folder and verify the copy
    Backup(inspect::Backup),
}

/// A store that must be there.
#[derive(Args, Debug)]
struct Store {
    /// The store's folder
    store: PathBuf,
}

/// Largest payload that the command takes, in bytes.
const PAYLOAD: u32 = 16 << 20;

/// This process's arguments, and the settings that they name a file of.
fn arguments() -> anyhow::Result<Cli> {
    let command = Cli::command();
    #[cfg(feature = "serve")]
    let command = settings::applied(command, "serve", &std::env::args_os().collect::<Vec<_>>())?;
    Ok(Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit()))
}

/// Runs the command of this process's arguments.
pub(crate) fn main() -> ExitCode {
    let cli = match arguments() {
        Ok(cli) => cli,
        Err(error) => {
            Session::new(std::env::args_os().any(|arg| arg == "--json")).error(&error, Exit::Arguments);
            return ExitCode::from(Exit::Arguments as u8);
        }
    };
    let mut session = Session::new(cli.json);
    let level = match &cli.command {
        #[cfg(feature = "serve")]
        Command::Serve(_) => tracing::Level::INFO,
        _ => tracing::Level::WARN,
    };
    log::install(level, session.json);
    let result = match cli.command {
        Command::Completions { shell } => {
            // Made in memory first: the generator takes a reader that leaves for a bug.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "onceward", &mut script);
            std::io::stdout().lock().write_all(&script).context("standard output cannot be written")
        }
        #[cfg(feature = "serve")]
        Command::Serve(command) => command.run(&session),
        #[cfg(feature = "topic")]
        Command::Topic(command) => command.run(&session),
        Command::Log(Log { command, record }) => {
            session.record = record;
            match *command {
                LogCommand::Append(command) => command.run(&session),
                LogCommand::Import(command) => command.run(&session),
                LogCommand::Read(command) => command.run(&session),
                LogCommand::Tail(command) => command.run(&session),
                LogCommand::Verify(store) => inspect::verify(&store, &session),
                LogCommand::Stats(store) => inspect::stats(&store, &session),
                LogCommand::Backup(command) => command.run(&session),
            }
        }
    };
    let code = match result {
        Ok(()) => Exit::Done,
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Done {
                session.error(&error, exit);
            }
            exit
        }
    };
    ExitCode::from(code as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
