//! The counts of an instance in Prometheus' text format, version 0.0.4.

use super::{OperationLabel, RequestOutcome};
use crate::watch::{BUCKETS_US, Counter, Histogram, StoreCall, StoreCalls, TurnCounts};
use jiff::Timestamp;
use std::fmt::Write as _;
use std::time::Duration;

/// The text as far as it is written. Every sample has the label `instance_id`.
pub(super) struct Exposition<'e> {
    instance: &'e str,
    text: String,
}

/// All counts have about so many bytes.
const BYTES_EXPECTED: usize = 40 * 1024;

impl<'e> Exposition<'e> {
    /// No counts yet.
    pub(super) fn of(instance: &'e str) -> Exposition<'e> {
        Exposition { instance, text: String::with_capacity(BYTES_EXPECTED) }
    }

    /// What the instance is.
    pub(super) fn process(&mut self, started: Timestamp) {
        self.family("rollcall_build_info", "gauge", "The version of the component.");
        self.sample("rollcall_build_info", &[("version", env!("CARGO_PKG_VERSION"))], "1");
        let name = "rollcall_instance_start_time_seconds";
        self.family(name, "gauge", "When this instance of the component began, in seconds since 1970.");
        self.sample(name, &[], &started.as_second().to_string());
    }

    /// Requests by operation and outcome.
    pub(super) fn requests(&mut self, counts: &[[Counter; RequestOutcome::ALL.len()]; OperationLabel::ALL.len()]) {
        let name = "rollcall_requests_total";
        self.family(name, "counter", "Requests that were answered.");
        for operation in OperationLabel::ALL {
            for outcome in RequestOutcome::ALL {
                let labels = [("operation", operation.name()), ("outcome", outcome.name())];
                self.sample(name, &labels, &counts[operation as usize][outcome as usize].get().to_string());
            }
        }
    }

    /// Durations by operation.
    pub(super) fn durations(&mut self, durations: &[Histogram; OperationLabel::ALL.len()]) {
        let name = "rollcall_request_duration_seconds";
        self.family(
            name,
            "histogram",
            "Time from when a request had come whole to its answer, waiting for a turn included.",
        );
        for operation in OperationLabel::ALL {
            let histogram = &durations[operation as usize];
            let label = ("operation", operation.name());
            let bounds = BUCKETS_US.iter().map(|bound| seconds(*bound)).chain(["+Inf".to_owned()]);
            let counts = histogram.cumulative();
            for (bound, count) in bounds.zip(counts) {
                self.sample(&format!("{name}_bucket"), &[label, ("le", &bound)], &count.to_string());
            }
            self.sample(&format!("{name}_sum"), &[label], &seconds(histogram.sum_us()));
            self.sample(&format!("{name}_count"), &[label], &counts[BUCKETS_US.len()].to_string());
        }
    }

    /// Turns, takeovers and repairs.
    pub(super) fn turns(&mut self, counts: &TurnCounts) {
        self.single("rollcall_turns_total", "counter", "Turns that were had.", &counts.had.get().to_string());
        let help = "Time for which turns were waited for.";
        self.single("rollcall_turn_wait_seconds_total", "counter", help, &seconds(counts.waited_us.get()));
        let help = "Epochs that were ended because the holder of a turn was taken for dead.";
        self.single("rollcall_takeovers_total", "counter", help, &counts.takeovers.get().to_string());
        let help = "Damaged tenants that were mended and opened again.";
        self.single("rollcall_repairs_total", "counter", help, &counts.repairs.get().to_string());
    }

    /// Calls of the store.
    pub(super) fn store(&mut self, calls: &StoreCalls) {
        self.family("rollcall_store_calls_total", "counter", "Calls of the store, failed ones included.");
        for call in StoreCall::ALL {
            self.sample("rollcall_store_calls_total", &[("call", call.name())], &calls.made(call).to_string());
        }
        self.family("rollcall_store_failures_total", "counter", "Calls of the store that failed.");
        for call in StoreCall::ALL {
            self.sample("rollcall_store_failures_total", &[("call", call.name())], &calls.failed(call).to_string());
        }
    }

    /// What of the request log is not written yet.
    pub(super) fn journal(&mut self, waiting: usize, oldest: Duration, lost: &Counter) {
        let help = "Records of the request log that wait in memory to be written.";
        self.single("rollcall_journal_waiting_records", "gauge", help, &waiting.to_string());
        let help = "How long the oldest record of the request log has waited in memory.";
        self.single("rollcall_journal_lag_seconds", "gauge", help, &seconds(crate::watch::microseconds(oldest)));
        let help = "Records of the request log that were given up before they were written.";
        self.single("rollcall_journal_lost_records_total", "counter", help, &lost.get().to_string());
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: &str) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let written = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        written.expect("a text takes what is written to it");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        self.text.push_str(name);
        self.text.push('{');
        for (label, value) in labels {
            self.text.extend([*label, "=\"", *value, "\","]);
        }
        self.text.extend(["instance_id=\"", self.instance, "\"} ", value, "\n"]);
    }
}

/// Microseconds as seconds, without loss.
fn seconds(microseconds: u64) -> String {
    let (whole, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_without_loss() {
        for (microseconds, text) in
            [(0, "0"), (1, "0.000001"), (2_500, "0.0025"), (1_000_000, "1"), (30_000_000, "30"), (12_340_000, "12.34")]
        {
            assert_eq!(seconds(microseconds), text);
        }
    }
}
