//! The one integration binary: real servers on loopback, the real binary, one file per noun.

mod cli;
mod connection;
mod connection_failures;
mod connection_policies;
mod counting;
mod faucet;
mod harness;
mod harness_works;
mod objects;
mod objects_errors;
mod objects_lists;
mod planted;
mod quickstart;
mod smoke;
mod stores;
mod streams;
mod support;
