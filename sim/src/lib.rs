//! Deterministic simulation of pure machines: runners, swarm testing, reports, and the cargo sim command.
