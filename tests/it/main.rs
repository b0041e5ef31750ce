//! The one integration binary: real servers on loopback, the real binary, one file per noun.

mod connection;
mod connection_failures;
mod connection_policies;
mod faucet;
mod harness;
mod harness_works;
mod objects;
mod objects_errors;
mod objects_lists;
mod smoke;
mod stores;
mod streams;
mod support;
