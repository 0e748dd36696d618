//! Logging in, and the sessions of tables that some clients open before they do anything else. There are no tables:
//! a session is a name, and nothing is kept.

use super::glue::result;
use super::{Api, Caller};
use crate::serve::proto::common::{Any, Ignored};
use crate::serve::proto::services::{CreateSessionResult, KeepAliveResult, LoginRequest, LoginResult};
use crate::serve::status::Checked;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) async fn login(api: Api, _: Caller, request: LoginRequest) -> Checked<Option<Any>> {
    let token = api.inner.access.login(&request.user, &request.password)?;
    Ok(result("Auth.LoginResult", &LoginResult { token }))
}

pub(super) async fn create(_: Api, _: Caller, _: Ignored) -> Checked<Option<Any>> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let session_id = format!("session-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    Ok(result("Table.CreateSessionResult", &CreateSessionResult { session_id }))
}

pub(super) async fn delete(_: Api, _: Caller, _: Ignored) -> Checked<Option<Any>> {
    Ok(None)
}

pub(super) async fn keep_alive(_: Api, _: Caller, _: Ignored) -> Checked<Option<Any>> {
    let ready = KeepAliveResult { session_status: KeepAliveResult::READY };
    Ok(result("Table.KeepAliveResult", &ready))
}
