//! The whole store over the real segments and a small disk: what requests mean, what survives, what is noticed.

mod appends;
mod durability;
mod reading;
mod rig;
mod tampering;
