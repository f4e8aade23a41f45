//! Check and repair of a tenant, in portions: an answer says where the next call goes on.

use super::Answered;
use super::error::AdminError;
use super::request::CallParameters;
use crate::directory::audit::{Portion, Position};
use crate::directory::{check, repair};
use crate::http::respond::admin_body;
use crate::http::{Rollcall, Unanswered};
use crate::keys::TenantId;
use crate::settings::LIMITS;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a call begins further portions. A tenant of a few thousand users is done by then.
const CALL_MAX: Duration = Duration::from_millis(1_000);

/// Findings in one answer; a call begins no further portion beyond them.
const FINDINGS_MAX: usize = 1_000;

/// What the portions of one call came to.
#[derive(Default)]
struct Sum {
    portions: Portion,
    looked: u64,
    of: u64,
}

impl Rollcall {
    /// The invariants of a tenant, see [`directory::check`](crate::directory::check): all portions, one after the other.
    /// What differs, and what could not be looked at, a sentence each.
    ///
    /// # Errors
    /// There is no such tenant, or the store does not answer.
    pub fn check(&self, tenant: &TenantId) -> Result<Vec<String>, Unanswered> {
        let mut findings = Vec::new();
        let mut next = Some(Position::start());
        while let Some(position) = next {
            let portion = check::portion(self.ledger(), tenant, position);
            let portion = portion.map_err(|error| self.failed(&error))?;
            findings.extend(portion.findings.into_iter().chain(portion.doubled));
            findings.extend(portion.unlooked.into_iter().map(|what| format!("not looked at: {what}")));
            next = portion.next;
        }
        Ok(findings)
    }

    /// Looks at some portions of a tenant, and answers what differs and where to go on.
    pub(super) fn check_call(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let mut sum = Sum::default();
        let mut next = Some(position(request)?);
        let begun = self.ports.clock.elapsed();
        while let Some(position) = next {
            let portion = check::portion(self.ledger(), id, position);
            next = sum.add(portion?);
            if sum.portions.findings.len() >= FINDINGS_MAX
                || self.ports.clock.elapsed().saturating_sub(begun) > CALL_MAX
            {
                break;
            }
        }
        sum.portions.findings.append(&mut sum.portions.doubled);
        Ok(sum.answer(json!({"findings": sum.portions.findings}), next))
    }

    /// Mends what a check names in some portions of a tenant, each in a turn of its own, and answers where to go on.
    pub(super) fn repair_call(&self, id: &TenantId, request: &Request<Vec<u8>>) -> Answered {
        let mut sum = Sum::default();
        let mut next = Some(position(request)?);
        let begun = self.ports.clock.elapsed();
        while let Some(position) = next {
            // A damaged tenant is mended on the way.
            let mut turn = self.turn(id)?;
            let portion = repair::portion(&mut turn, position)?;
            turn.commit()?;
            next = sum.add(portion);
            if sum.portions.mended >= LIMITS.mended_at_once
                || self.ports.clock.elapsed().saturating_sub(begun) > CALL_MAX
            {
                break;
            }
        }
        let remaining = if next.is_some() { sum.of.saturating_sub(sum.looked).max(1) } else { 0 };
        let Portion { mended, left, .. } = &sum.portions;
        Ok(sum.answer(json!({"mended": mended, "remaining": remaining, "left": left}), next))
    }
}

impl Sum {
    /// Adds a portion, and answers where the next one begins.
    fn add(&mut self, portion: Portion) -> Option<Position> {
        if let Some(next) = &portion.next {
            (self.looked, self.of) = (next.looked(), next.of());
        }
        let sum = &mut self.portions;
        sum.findings.extend(portion.findings);
        sum.doubled.extend(portion.doubled);
        sum.mended += portion.mended;
        sum.left.extend(portion.left);
        sum.unlooked.extend(portion.unlooked);
        portion.next
    }

    fn answer(&self, mut document: Value, next: Option<Position>) -> Response<Vec<u8>> {
        let progress = match &next {
            Some(next) => json!({"looked": next.looked(), "of": next.of(), "position": next.to_string()}),
            None => json!({}),
        };
        let all = json!({"done": next.is_none(), "unlooked": self.portions.unlooked});
        for part in [all, progress] {
            if let (Value::Object(document), Value::Object(part)) = (&mut document, part) {
                document.extend(part);
            }
        }
        admin_body(StatusCode::OK, &document)
    }
}

/// Where a call begins: at the position of the answer before, or at the beginning.
fn position(request: &Request<Vec<u8>>) -> Result<Position, AdminError> {
    let position = CallParameters::of(request.uri()).parsed("position", "that of the answer before")?;
    Ok(position.unwrap_or_else(Position::start))
}
