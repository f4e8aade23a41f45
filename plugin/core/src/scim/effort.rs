//! What one request may compute: one budget for its filters, value paths, order, members and operations, however it shares
//! the work out among them. Operations, terms, elements and resources are bounded each, but a request may multiply them
//! with each other.

use super::error::Error;
use crate::settings::LIMITS;
use serde_json::Value;
use std::cell::Cell;

/// The budget of one request, [`Limits::request_effort_max`](crate::settings::Limits::request_effort_max) units of it. A
/// unit is one comparison of a value of up to a KiB.
#[derive(Debug, Default)]
pub struct Effort(Cell<usize>);

/// The text that one unit looks at.
const UNIT_BYTES: usize = 1_024;

/// What it costs to read a resource from the store, beside its bytes: about as long as so many comparisons take.
const READ_UNITS: usize = 10;

/// The stored text that is read in the time of one comparison.
const READ_BYTES: usize = 4 * UNIT_BYTES;

impl Effort {
    /// Counts so many units. Whoever works on asks [`Effort::check`] before it does what they stand for, or soon after.
    pub fn spend(&self, units: usize) {
        self.0.set(self.0.get().saturating_add(units));
    }

    /// Counts one comparison of a value.
    pub fn compare(&self, value: &Value) {
        self.spend(weight(value));
    }

    /// Counts a resource that was read, by its attributes.
    pub fn read<'v>(&self, attributes: impl IntoIterator<Item = &'v Value>) {
        let bytes: usize = attributes.into_iter().map(text_bytes).sum();
        self.spend(READ_UNITS + bytes / READ_BYTES);
    }

    /// Counts an order of so many resources.
    pub fn sort(&self, count: usize) {
        self.spend(count.saturating_mul(count.checked_ilog2().unwrap_or(0) as usize + 1) / SORTED_A_UNIT);
    }

    /// Refuses a request that has spent its budget; `place` says what it was about to do.
    ///
    /// # Errors
    /// `tooMany`, with the bound.
    pub fn check(&self, place: &str) -> Result<(), Error> {
        let max = LIMITS.request_effort_max;
        if self.0.get() > max { Err(Error::too_many_comparisons(place, max)) } else { Ok(()) }
    }

    /// Whether so many small resources may be read with more than half of the budget left afterwards: for what an answer
    /// can do without.
    pub fn affords(&self, reads: usize) -> bool {
        self.0.get().saturating_add(reads.saturating_mul(READ_UNITS)) <= LIMITS.request_effort_max / 2
    }

    /// What was spent so far.
    pub fn spent(&self) -> usize {
        self.0.get()
    }
}

/// Comparisons of short keys in the time of one unit.
const SORTED_A_UNIT: usize = 4;

/// The units of one comparison of a value.
pub(crate) fn weight(value: &Value) -> usize {
    1 + text_bytes(value) / UNIT_BYTES
}

/// The bytes of all texts in a value, and one for whatever else it has.
pub(crate) fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(text_bytes).sum::<usize>() + 1,
        Value::Object(parts) => parts.values().map(text_bytes).sum::<usize>() + 1,
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_long_text_costs_its_length_and_the_budget_ends_above_its_limit() {
        let effort = Effort::default();
        effort.compare(&json!("x".repeat(UNIT_BYTES - 1)));
        assert_eq!(effort.spent(), 1);
        effort.compare(&json!("x".repeat(10 * UNIT_BYTES)));
        assert_eq!(effort.spent(), 12);
        effort.read(&[json!("x".repeat(READ_BYTES))]);
        assert_eq!(effort.spent(), 12 + READ_UNITS + 1);
        effort.spend(LIMITS.request_effort_max - effort.spent());
        assert_eq!(effort.check("filter"), Ok(()));
        effort.spend(1);
        let max = LIMITS.request_effort_max;
        let found = format!("filter: expected at most {max} comparisons in one request, found more");
        assert_eq!(effort.check("filter").unwrap_err().to_string(), found);
        effort.spend(usize::MAX);
        assert!(effort.check("filter").is_err());
    }

    #[test]
    fn what_an_answer_can_do_without_is_read_while_half_of_the_budget_is_left() {
        let effort = Effort::default();
        let half = LIMITS.request_effort_max / 2 / READ_UNITS;
        assert!(effort.affords(half) && !effort.affords(half + 1));
        effort.spend(LIMITS.request_effort_max / 2);
        assert!(effort.affords(0) && !effort.affords(1));
    }
}
