//! What the tests stand on: real servers, proxies that break connections, child processes and AWS calls to set things up.
//!
//! Everything here panics on failure with a text that says what went wrong: a broken harness is a failed test.

#![allow(dead_code, reason = "a harness offers more than the tests of one moment use")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code outside of test functions"
)]

pub(crate) mod aws;
pub(crate) mod browser;
pub(crate) mod closed;
pub(crate) mod fault_proxy;
pub(crate) mod forward_proxy;
pub(crate) mod http_fault;
pub(crate) mod process;
pub(crate) mod servers;
