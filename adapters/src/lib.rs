//! A durable event store whose every decision is taken by a verified state machine: real files, sync and async API, and the onceward command.
