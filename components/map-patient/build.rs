//! How the component's memory is laid out.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        // A mapping goes a few functions deep, and what an instance has at its start it need not ask for.
        println!("cargo::rustc-link-arg=-zstack-size=65536");
        println!("cargo::rustc-link-arg=--initial-memory=262144");
        // Addresses as short as they are, not as long as they could be.
        println!("cargo::rustc-link-arg=--compress-relocations");
    }
}
