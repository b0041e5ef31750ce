//! The one integration binary: real servers on loopback, the real binary, one file per noun.

mod access;
mod harness;
mod harness_works;
mod layers;
mod openapi;
mod registry;
mod smoke;
mod support;
