//! A topic broker (in the making).

pub mod api;
mod catalogue;
mod config;

pub use config::Config;
