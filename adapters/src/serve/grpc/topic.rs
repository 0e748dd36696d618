//! The unary methods of the topic service: each is a question to the broker.

use super::glue::result;
use super::{Api, Caller};
use crate::serve::access::Right;
use crate::serve::convert::topic::{self as convert, Include};
use crate::serve::proto::common::Any;
use crate::serve::proto::topic::{
    AlterTopicRequest, CommitOffsetRequest, CreateTopicRequest, DescribeConsumerRequest,
    DescribePartitionRequest, DescribeTopicRequest, PathRequest,
};
use crate::serve::status::Checked;
use onceward_core::broker::api::{Description, Request, Response};

pub(super) async fn create(api: Api, caller: Caller, asked: CreateTopicRequest) -> Checked<Option<Any>> {
    caller.may(Right::Admin, &caller.database.topic(&asked.path)?)?;
    done(&api, convert::create(&caller.database, asked)?).await
}

pub(super) async fn alter(api: Api, caller: Caller, asked: AlterTopicRequest) -> Checked<Option<Any>> {
    caller.may(Right::Admin, &caller.database.topic(&asked.path)?)?;
    let is = if asked.alter_consumers.is_empty() {
        None
    } else {
        Some(find(&api, &caller, &asked.path).await?.settings)
    };
    done(&api, convert::alter(&caller.database, asked, is.as_ref())?).await
}

pub(super) async fn drop(api: Api, caller: Caller, asked: PathRequest) -> Checked<Option<Any>> {
    let path = caller.database.topic(&asked.path)?;
    caller.may(Right::Admin, &path)?;
    done(&api, Request::Drop { path }).await
}

pub(super) async fn commit(api: Api, caller: Caller, asked: CommitOffsetRequest) -> Checked<Option<Any>> {
    caller.may(Right::Read, &caller.database.topic(&asked.path)?)?;
    done(&api, convert::commit(&caller.database, asked)?).await
}

pub(super) async fn describe(api: Api, caller: Caller, asked: DescribeTopicRequest) -> Checked<Option<Any>> {
    let topic = find(&api, &caller, &asked.path).await?;
    let include = Include { stats: asked.include_stats, location: asked.include_location };
    Ok(result("Topic.DescribeTopicResult", &convert::described(&topic, &caller.counters.traffic, include)))
}

pub(super) async fn describe_partition(
    api: Api,
    caller: Caller,
    asked: DescribePartitionRequest,
) -> Checked<Option<Any>> {
    let topic = find(&api, &caller, &asked.path).await?;
    Ok(result(
        "Topic.DescribePartitionResult",
        &convert::described_one(&topic, &caller.counters.traffic, &asked)?,
    ))
}

pub(super) async fn describe_consumer(
    api: Api,
    caller: Caller,
    asked: DescribeConsumerRequest,
) -> Checked<Option<Any>> {
    let topic = find(&api, &caller, &asked.path).await?;
    Ok(result("Topic.DescribeConsumerResult", &convert::standing(&topic, &caller.counters.traffic, &asked)?))
}

async fn find(api: &Api, caller: &Caller, path: &str) -> Checked<Description> {
    let path = caller.database.topic(path)?;
    caller.may(Right::Look, &path)?;
    match api.ask(Request::Describe { path }).await? {
        Response::Topic(topic) => Ok(topic),
        other => Err(Api::strange(&other)),
    }
}

async fn done(api: &Api, request: Request) -> Checked<Option<Any>> {
    match api.ask(request).await? {
        Response::Done => Ok(None),
        other => Err(Api::strange(&other)),
    }
}
