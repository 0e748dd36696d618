//! `onceward topic`: what its commands have in common, and those that ask one thing and are answered.

mod admin;
mod read;
mod write;

pub(super) use write::Unreachable;

use super::exit;
use super::session::Session;
use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use onceward::topic::{ClientOptions, Credentials, TopicClient};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args, Debug)]
pub(super) struct Topic {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a topic
    Create(admin::Create),
    /// Change a topic
    Alter(admin::Alter),
    /// Print how a topic is set up, what is in it, and how far its consumers are
    Describe(admin::Named),
    /// Print what is in a folder of the database, or in the database itself
    List(admin::List),
    /// Write messages, one for each line of a file or of standard input
    #[command(after_long_help = write::HELP, after_help = exit::HELP)]
    Write(write::Write),
    /// Print messages, and commit them once they are printed
    #[command(after_long_help = read::HELP, after_help = exit::HELP)]
    Read(read::Read),
    /// Drop a topic with its messages
    Drop(admin::Named),
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
struct Server {
    /// The server: grpc://HOST:PORT, or grpcs://HOST:PORT for TLS
    #[arg(long, global = true, value_name = "ADDRESS", default_value = "grpc://127.0.0.1:2136")]
    endpoint: String,
    /// The database that relative names of topics are in
    #[arg(long, global = true, value_name = "NAME", default_value = "/local")]
    database: String,
    /// A file with an access token; without it, the token is in the variable YDB_TOKEN, if there is one
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates in PEM, of which one must vouch for a server over TLS, instead of those that the system trusts
    #[cfg(feature = "tls")]
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Ask the server for the addresses to dial, and dial these
    #[arg(long, global = true)]
    discover: bool,
    /// How many seconds a connection may take to open, and a call to be answered
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Server {
    fn client(self) -> anyhow::Result<TopicClient> {
        let mut options = ClientOptions::new(&self.endpoint, self.database)?;
        options.discovery = self.discover;
        options.timeout = Duration::from_secs(self.timeout);
        let token = match self.token_file {
            Some(file) => {
                let token = std::fs::read_to_string(&file)
                    .with_context(|| format!("{} cannot be read", file.display()))?;
                ensure!(!token.trim().is_empty(), "{} holds no token", file.display());
                Some(token)
            }
            None => std::env::var("YDB_TOKEN").ok().filter(|token| !token.trim().is_empty()),
        };
        if let Some(token) = token {
            options.credentials = Credentials::Token(token.trim().into());
        }
        #[cfg(feature = "tls")]
        {
            ensure!(
                self.ca.is_none() || options.endpoint.tls,
                "--ca is for servers that are reached over TLS: grpcs://..., not {}",
                options.endpoint
            );
            options.ca = self.ca;
        }
        Ok(TopicClient::new(options)?)
    }
}

impl Topic {
    pub(super) fn run(self, session: &Session) -> anyhow::Result<()> {
        let client = self.server.client()?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().context("no threads can be had")?;
        let result = runtime.block_on(async {
            match self.command {
                Command::Create(command) => command.run(&client, session).await,
                Command::Alter(command) => command.run(&client, session).await,
                Command::Describe(command) => command.describe(&client, session).await,
                Command::List(command) => command.run(&client, session).await,
                Command::Write(command) => command.run(&client, session).await,
                Command::Read(command) => command.run(&client, session).await,
                Command::Drop(command) => command.drop(&client, session).await,
            }
        });
        // Whoever reads standard input may do so for ever.
        runtime.shutdown_background();
        result
    }
}

/// Text in which `\n`, `\t`, `\r`, `\0` and `\\` stand for what they do in programs, as one byte.
fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        b"\\n" => Ok(b'\n'),
        b"\\t" => Ok(b'\t'),
        b"\\r" => Ok(b'\r'),
        b"\\0" => Ok(0),
        b"\\\\" => Ok(b'\\'),
        _ => Err("wanted one byte, or one of \\n \\t \\r \\0".to_owned()),
    }
}
