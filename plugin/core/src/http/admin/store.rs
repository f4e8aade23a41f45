//! What this is, and what its store was found to keep.

use super::error::AdminError;
use super::{Answered, time};
use crate::http::Rollcall;
use crate::http::respond::admin_body;
use crate::ledger::{self, Promise, capabilities};
use http::{Response, StatusCode};
use serde_json::json;

impl Rollcall {
    pub(super) fn product(&self) -> Response<Vec<u8>> {
        let product = json!({
            "productName": self.settings.product_name,
            "version": env!("CARGO_PKG_VERSION"),
            "publicUrl": self.settings.public_url,
        });
        admin_body(StatusCode::OK, &product)
    }

    /// What the store was found to keep. POST tests it once more.
    pub(super) fn store(&self, last: bool) -> Answered {
        let report =
            if last { capabilities::last(self.ledger()) } else { capabilities::tested(self.ledger()).map(Some) };
        let Some(report) = report.map_err(ledger::Error::from)? else {
            return Err(AdminError::Missing("store: it was not tested yet; the first write does, or POST"));
        };
        let mut document = serde_json::to_value(&*report).expect("a report is plain data");
        document["testedAt"] = time(Some(report.tested_at));
        document["refusal"] = json!(report.refusal());
        let promise = Promise::of(self.ledger(), report.batches);
        document["guarded"] = json!(promise.guarded);
        document["takeoverMilliseconds"] = json!(u64::try_from(promise.takeover.as_millis()).unwrap_or(u64::MAX));
        document["assumption"] = json!(promise.assumption);
        Ok(admin_body(StatusCode::OK, &document))
    }
}
