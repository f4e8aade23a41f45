//! What `wit/` says, as Rust. The world is written by hand, this is not.

#![allow(missing_docs, unreachable_pub, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "rollcall:host/imports",
    with: {
        "wasi:keyvalue/store.bucket": crate::keyvalue::Bucket,
        "wasi:keyvalue/atomics.cas": crate::keyvalue::Attempt,
        "spin:key-value/key-value.store": crate::keyvalue::Bucket,
    },
});
