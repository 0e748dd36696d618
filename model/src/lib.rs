//! The world that pure machines live in: fault models, scenarios, traces, promises and exhaustive checks.
