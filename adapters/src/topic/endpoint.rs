//! Where a server is, which of its databases is meant, and who asks. Decides what of an address makes sense; dials nothing.

use super::error::EndpointError;
use std::fmt;
use std::future::Future;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The address of a server: `grpc://HOST:PORT`, or `grpcs://HOST:PORT` for TLS; without a scheme, `grpc`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// A name or an address; one with colons stands in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The port that an address without one means.
const PORT: u16 = 2136;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Endpoint, EndpointError> {
        let wrong = |what: &'static str| EndpointError { endpoint: text.to_owned(), what };
        let (tls, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("grpc", rest)) => (false, rest),
            Some(("grpcs", rest)) => (true, rest),
            Some(_) => return Err(wrong("it begins with neither grpc:// nor grpcs://")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong(
                "wanted a host and a port, such as grpc://localhost:2136, and nothing behind them",
            ));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong("the port is no number from 0 to 65535"))?)
            }
            _ if rest.contains(':') && !rest.ends_with(']') => {
                return Err(wrong("an address with colons stands in brackets, such as [::1]:2136"));
            }
            _ => (rest, PORT),
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        Ok(Endpoint { tls, host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "grpcs" } else { "grpc" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Why a token could not be had.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

/// Something that gets access tokens, and gets a fresh one whenever it is asked.
pub trait TokenProvider: Send + Sync {
    /// A token that holds now. Asked for with every call and session, and as often as a writer's or reader's
    /// `token_interval` says; a provider that has to go far for it keeps it for as long as it holds.
    fn token(&self) -> Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send + '_>>;
}

/// Who asks.
#[derive(Clone)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// Whoever has this token.
    Token(Arc<str>),
    /// Whoever this one says.
    Provider(Arc<dyn TokenProvider>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Anonymous => "Anonymous",
            Credentials::Token(_) => "Token",
            Credentials::Provider(_) => "Provider",
        })
    }
}

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The database that relative names of topics are in, such as `/local`.
    pub database: String,
    /// Who asks.
    pub credentials: Credentials,
    /// Certificates in PEM, of which one must vouch for a server that is reached over TLS; `None`: those that the system
    /// trusts.
    #[cfg(feature = "tls")]
    pub ca: Option<PathBuf>,
    /// Whether to ask the server for the addresses to dial, and to dial these, as in a cluster that spreads its load so.
    /// Without it, everything goes to [`endpoint`](ClientOptions::endpoint), which is enough for one server and for
    /// clusters whose every node serves every topic.
    pub discovery: bool,
    /// How long a connection may take to open, and a call to be answered. Sessions have timeouts of their own.
    pub timeout: Duration,
}

impl ClientOptions {
    /// Sensible values: nobody in particular asks, within 10 seconds.
    ///
    /// # Errors
    /// If the address makes no sense.
    pub fn new(endpoint: &str, database: impl Into<String>) -> Result<ClientOptions, EndpointError> {
        Ok(ClientOptions {
            endpoint: endpoint.parse()?,
            database: database.into(),
            credentials: Credentials::Anonymous,
            #[cfg(feature = "tls")]
            ca: None,
            discovery: false,
            timeout: Duration::from_secs(10),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("grpc://localhost:2136", "grpc://localhost:2136"),
            ("localhost:1", "grpc://localhost:1"),
            ("localhost", "grpc://localhost:2136"),
            ("grpcs://ydb.example.com:2135/", "grpcs://ydb.example.com:2135"),
            ("grpc://[::1]:7", "grpc://[::1]:7"),
            ("[::1]", "grpc://[::1]:2136"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        let wrong =
            ["http://a:1", "grpc://", "a:b", "a:70000", "::1:2136", "a:1/local", "a b:1", ":1", "u@a:1"];
        let text: Vec<_> =
            wrong.iter().map(|text| text.parse::<Endpoint>().unwrap_err().to_string()).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        "http://a:1" is no endpoint: it begins with neither grpc:// nor grpcs://
        "grpc://" is no endpoint: the host is missing
        "a:b" is no endpoint: the port is no number from 0 to 65535
        "a:70000" is no endpoint: the port is no number from 0 to 65535
        "::1:2136" is no endpoint: an address with colons stands in brackets, such as [::1]:2136
        "a:1/local" is no endpoint: wanted a host and a port, such as grpc://localhost:2136, and nothing behind them
        "a b:1" is no endpoint: wanted a host and a port, such as grpc://localhost:2136, and nothing behind them
        ":1" is no endpoint: the host is missing
        "u@a:1" is no endpoint: wanted a host and a port, such as grpc://localhost:2136, and nothing behind them
        "#);
    }
}
