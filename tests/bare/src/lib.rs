//! A component that does one thing a path, and nothing beside it: what the platform costs before we add anything.
//!
//! - `/hello` answers a text;
//! - `/get` answers the value of one key;
//! - `/write` writes one batch of values as large as those of a change, different ones each time.

use bindings::wasi::keyvalue::{batch, store};
use bytes::Bytes;
use spin_sdk::http::{BoxBody, FullBody, Request, box_body};
use spin_sdk::http_service;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The interfaces of the component itself.
#[allow(missing_docs)]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package rollcall:bare;
            world bare {
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        path: "../../wit/deps/keyvalue@0.2.0-draft2",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

/// What a create writes, about: document, record, head, roster.
const BATCH: [(&str, usize); 4] = [("document", 600), ("record", 2_000), ("head", 2_000), ("roster", 2_000)];

thread_local! {
    static BUCKET: RefCell<Option<Rc<store::Bucket>>> = const { RefCell::new(None) };
    static WRITTEN: Cell<u64> = const { Cell::new(0) };
}

#[http_service]
async fn handle(request: Request) -> http::Response<BoxBody> {
    let answer = match request.uri().path() {
        "/hello" => Ok(b"hello, world".to_vec()),
        "/get" => bucket().and_then(|bucket| bucket.get("document")).map(Option::unwrap_or_default),
        "/write" => write().map(|()| Vec::new()),
        _ => Ok(Vec::new()),
    };
    let (status, body) = match answer {
        Ok(body) => (http::StatusCode::OK, body),
        Err(error) => (http::StatusCode::SERVICE_UNAVAILABLE, format!("{error:?}").into_bytes()),
    };
    let length = http::HeaderValue::from(body.len());
    let mut response = http::Response::new(box_body(FullBody::new(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_LENGTH, length);
    response
}

/// The open store, kept as long as the instance lives.
fn bucket() -> Result<Rc<store::Bucket>, store::Error> {
    if let Some(bucket) = BUCKET.with_borrow(Clone::clone) {
        return Ok(bucket);
    }
    let bucket = Rc::new(store::open("default")?);
    BUCKET.set(Some(bucket.clone()));
    Ok(bucket)
}

/// SQLite writes no page that stays as it is, so no two batches are the same.
fn write() -> Result<(), store::Error> {
    let written = WRITTEN.get() + 1;
    WRITTEN.set(written);
    let stamp = spin_sdk::wasip3::random::random::get_random_u64().wrapping_add(written).to_le_bytes();
    let pairs = BATCH.map(|(key, length)| (key.to_owned(), stamp.iter().copied().cycle().take(length).collect()));
    batch::set_many(&*bucket()?, &pairs)
}
