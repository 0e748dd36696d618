//! Where the broker is, and who asks. Decides what a client is told to dial: all official clients then use only that, so
//! it is what the client has dialled already, unless somebody knows better.

use super::glue::result;
use super::{Api, Caller};
use crate::serve::proto::common::{Any, Ignored};
use crate::serve::proto::services::{EndpointInfo, ListEndpointsResult, WhoAmIResult};
use crate::serve::status::{BAD_REQUEST, Checked, failure};

pub(super) async fn list(api: Api, caller: Caller, _: Ignored) -> Checked<Option<Any>> {
    let (address, port) = match &api.inner.advertise {
        Some(advertised) => advertised.clone(),
        None => dialled(&caller.authority)?,
    };
    let endpoint = EndpointInfo {
        address,
        port: port.into(),
        load_factor: 0.0,
        ssl: api.inner.tls,
        location: LOCATION.to_owned(),
        node_id: 1,
    };
    let list = ListEndpointsResult { endpoints: vec![endpoint], self_location: LOCATION.to_owned() };
    Ok(result("Discovery.ListEndpointsResult", &list))
}

pub(super) async fn who_am_i(_: Api, caller: Caller, _: Ignored) -> Checked<Option<Any>> {
    let user = caller.subject.as_ref().map_or("anonymous", |subject| subject.name()).to_owned();
    Ok(result("Discovery.WhoAmIResult", &WhoAmIResult { user }))
}

/// The only data centre.
const LOCATION: &str = "1";

/// Where a client believes the broker to be.
fn dialled(authority: &str) -> Checked<(String, u16)> {
    let unknown = || {
        failure(
            BAD_REQUEST,
            format!("the call does not say which address and port it was made to, but {authority:?}"),
        )
    };
    let parsed: http::uri::Authority = authority.parse().map_err(|_| unknown())?;
    let port = parsed.port_u16().ok_or_else(unknown)?;
    // Clients put brackets around an address with colons themselves.
    let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dialled_is_advertised() {
        assert_eq!(dialled("localhost:2136").unwrap(), ("localhost".to_owned(), 2136));
        assert_eq!(dialled("[::1]:7").unwrap(), ("::1".to_owned(), 7));
        for bad in ["", "localhost", "host:port", "host:70000", "a b:1"] {
            assert_eq!(dialled(bad).unwrap_err().code, BAD_REQUEST, "{bad:?}");
        }
    }
}
