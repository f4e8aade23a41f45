//! Cursors, RFC 9865: where a list goes on, sealed so that nobody reads or makes one but us.
//!
//! A cursor holds all that there is to know, so nothing is kept for it and any instance takes it. It opens only for the
//! tenant, the resource types and the query that it was made for.

use super::Scim;
use super::context::Context;
use crate::directory::PageCursor;
use crate::keys::Kind;
use crate::scim::{Error, ListQuery};
use crate::secrets::NONCE_LEN;
use crate::settings::LIMITS;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize)]
struct Cursor {
    made: Timestamp,
    count: usize,
    page: PageCursor,
}

/// What makes and opens the cursors of one query.
pub(super) struct Seal<'r> {
    scim: Scim<'r>,
    place: String,
    count: usize,
    now: Timestamp,
}

impl<'r> Scim<'r> {
    /// RFC 9865 §2: all parameters stay the same from page to page. §5.2: a cursor gives nobody anything that the request
    /// itself does not; the tenant's token was asked for before.
    pub(super) fn cursor_seal(&self, context: &Context<'_>, query: &ListQuery, kinds: &[Kind]) -> Seal<'r> {
        let place = json!(["cursor", context.span.tenant.as_str(), kinds, query.common()]).to_string();
        Seal { scim: *self, place, count: query.count, now: context.span.arrival.now }
    }
}

impl Seal<'_> {
    pub(super) fn close(&self, page: PageCursor) -> String {
        let cursor = Cursor { made: self.now, count: self.count, page };
        let text = serde_json::to_string(&cursor).expect("a cursor is plain data");
        let mut nonce = [0; NONCE_LEN];
        self.scim.ledger.ports.entropy.fill(&mut nonce);
        self.scim.ledger.settings.secrets.seal(&self.place, &text, nonce)
    }

    /// The page of a cursor; nothing where it is empty, which is the first page.
    pub(super) fn open(&self, cursor: &str) -> Result<Option<PageCursor>, Error> {
        if cursor.is_empty() {
            return Ok(None);
        }
        let text = self.scim.ledger.settings.secrets.open(&self.place, cursor).ok_or_else(Error::cursor)?;
        let cursor: Cursor = serde_json::from_str(&text).map_err(|_| Error::cursor())?;
        if self.now.duration_since(cursor.made) > SignedDuration::from_secs(LIMITS.cursor_seconds_max) {
            return Err(Error::expired_cursor(LIMITS.cursor_seconds_max));
        }
        if cursor.count != self.count {
            return Err(Error::changed_count(cursor.count, self.count));
        }
        Ok(Some(cursor.page))
    }
}
