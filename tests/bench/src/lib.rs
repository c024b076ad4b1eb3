//! Nothing by itself: the benchmarks are in `benches/`.
