//! The architecture, as docs/architecture.md describes it: which crate may use which, and no files that import each other in a circle.

mod crates;
mod imports;
