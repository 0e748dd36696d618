//! Recordings of production: a whole one is accepted, whatever its length, and every falsified one is refused with the
//! place. The falsifications take frames apart and seal them again by themselves, as somebody would who wants to deceive.
#![allow(clippy::unwrap_used)]

mod broker;
mod frames;
mod rig;
mod store;
