//! The one integration binary: real servers on loopback, the real binary, one file per noun.

mod harness;
mod harness_works;
mod rotation;
mod secrets;
mod secrets_cache;
mod secrets_faults;
mod secrets_roles;
mod secrets_world;
mod smoke;
mod support;
