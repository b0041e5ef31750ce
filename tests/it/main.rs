//! The one integration binary: real servers on loopback, the real binary, one file per noun.

mod cli;
mod counting;
mod harness;
mod harness_works;
mod planted;
mod quickstart;
mod smoke;
mod support;
