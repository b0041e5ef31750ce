//! The one integration binary: real servers on loopback, the real binary, one file per noun.

mod access;
mod cli;
mod connection;
mod connection_failures;
mod connection_policies;
mod counting;
mod faucet;
mod harness;
mod harness_works;
mod layers;
mod objects;
mod objects_errors;
mod objects_lists;
mod openapi;
mod planted;
mod quickstart;
mod registry;
mod smoke;
mod stores;
mod streams;
mod support;
