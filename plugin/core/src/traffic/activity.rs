//! What an administrator is told of a connection's traffic: how it is doing, and what is to be expected.

use super::{Cycle, DAY, DAYS_KEPT, First, HOUR, HOURS_KEPT, LatestRefusal, PeriodCount, Traffic};
use crate::connection::ConnectionState;
use crate::connection::provider::IdentityProvider;
use crate::tenant::state::TenantHead;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Fewer distances than this teach nothing.
const DISTANCES_MIN: usize = 3;

/// From this many failures on, Entra looks at their share (Microsoft Learn, provisioning quarantine status).
pub const QUARANTINE_FAILURES_MIN: u64 = 5_000;

/// Above this share Entra quarantines.
pub const QUARANTINE_SHARE: f64 = 0.4;

/// Above this number Entra quarantines whatever the share.
pub const QUARANTINE_FAILURES_MAX: u64 = 40_000;

/// Fewer requests than this that look like another provider are no reason to say so: somebody tries something out.
const SIGNS_MIN: u32 = 5;

/// The other provider must have been seen so many times as often as the chosen one.
const SIGNS_TIMES: u32 = 3;

/// A share that is worth a look before Entra's thresholds are near.
const WATCH_SHARE: f64 = 0.1;

impl Traffic {
    /// Another provider than the chosen one, if it is the one that most requests look like.
    fn looks_like(&self, chosen: &IdentityProvider) -> Option<&str> {
        let of_chosen = self.signs.get(chosen.id).copied().unwrap_or_default();
        let (other, count) = self.signs.iter().filter(|(id, _)| *id != chosen.id).max_by_key(|(_, count)| **count)?;
        (*count >= SIGNS_MIN && *count >= of_chosen * SIGNS_TIMES).then_some(other)
    }

    /// The usual distance between two cycles, and whether the log taught it. A provider that comes only when something
    /// changed has none, however regular its changes were.
    fn rhythm(&self, provider: &IdentityProvider) -> Option<(i64, bool)> {
        let usual = provider.cycle_seconds?;
        let mut distances: Vec<i64> =
            self.cycles.windows(2).map(|pair| pair[1].started.duration_since(pair[0].started).as_secs()).collect();
        if distances.len() < DISTANCES_MIN {
            return Some((usual, false));
        }
        distances.sort_unstable();
        distances.get(distances.len() / 2).map(|middle| (*middle, true))
    }
}

/// How a connection is doing, in one word.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nothing has arrived yet.
    Waiting,
    /// The latest token that arrived was not valid.
    Unauthorized,
    /// The provider has been silent for longer than its cycle allows.
    Overdue,
    /// A notable share of the last cycle failed.
    Failing,
    /// All is well.
    Healthy,
    /// The connection was ended.
    Ended,
    /// The data are being mended, and changes are answered 503 meanwhile.
    Mending,
}

/// What the page shows of a connection's traffic.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    now: Timestamp,
    last_contact_at: Option<Timestamp>,
    last_success_at: Option<Timestamp>,
    last_change_at: Option<Timestamp>,
    state: Health,
    cycle: CycleReport,
    expected_next_at: Option<Timestamp>,
    overdue_since: Option<Timestamp>,
    /// Nothing where the provider is not known to stop by itself.
    quarantine: Option<Quarantine>,
    hours: Vec<Bar>,
    days: Vec<Bar>,
    seats: Seats,
    /// Another provider than the connection's, which the traffic looks like.
    looks_like: Option<String>,
    first_request: Option<First>,
    latest_refusal: Option<LatestRefusal>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct CycleReport {
    /// Nothing where the provider comes only when something changed.
    seconds: Option<i64>,
    learnt: bool,
    last_started_at: Option<Timestamp>,
    requests: u64,
    failures: u64,
}

#[derive(Serialize, Debug)]
struct Quarantine {
    risk: Risk,
    reason: Option<&'static str>,
    share: f64,
}

#[derive(Serialize, Debug, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Risk {
    None,
    Watch,
    Certain,
}

#[derive(Serialize, Debug)]
struct Bar {
    from: Timestamp,
    success: u64,
    failure: u64,
}

#[derive(Serialize, Debug)]
struct Seats {
    used: u64,
    limit: Option<u64>,
}

impl Activity {
    /// Reads the head as of now.
    pub fn of(
        head: &TenantHead,
        provider: &IdentityProvider,
        state: ConnectionState,
        seats: Option<u64>,
        now: Timestamp,
    ) -> Activity {
        let traffic = &head.state.traffic;
        let rhythm = traffic.rhythm(provider);
        let last = traffic.cycles.last();
        let next = last
            .zip(rhythm)
            .and_then(|(cycle, (seconds, _))| cycle.started.checked_add(SignedDuration::from_secs(seconds)).ok());
        let health = health(head, provider, state, now);
        Activity {
            now,
            last_contact_at: head.state.last_transfer,
            last_success_at: head.state.last_success,
            last_change_at: head.state.last_change,
            state: health,
            cycle: CycleReport {
                seconds: rhythm.map(|(seconds, _)| seconds),
                learnt: rhythm.is_some_and(|(_, learnt)| learnt),
                last_started_at: last.map(|cycle| cycle.started),
                requests: last.map_or(0, |cycle| cycle.requests),
                failures: last.map_or(0, |cycle| cycle.failures),
            },
            expected_next_at: next.filter(|_| state == ConnectionState::Active),
            overdue_since: next.filter(|_| health == Health::Overdue),
            quarantine: provider.quarantines.then(|| quarantine(head)),
            hours: bars(&traffic.hours, HOUR, HOURS_KEPT, now),
            days: bars(&traffic.days, DAY, DAYS_KEPT, now),
            seats: Seats { used: head.state.active, limit: seats },
            looks_like: traffic.looks_like(provider).map(str::to_owned),
            first_request: traffic.first_request.clone(),
            latest_refusal: traffic.latest_refusal.clone(),
        }
    }
}

/// How the connection of this head is doing.
pub fn health(head: &TenantHead, provider: &IdentityProvider, state: ConnectionState, now: Timestamp) -> Health {
    let traffic = &head.state.traffic;
    if state == ConnectionState::Ended {
        return Health::Ended;
    }
    if head.damage().is_some() {
        return Health::Mending;
    }
    if refused_last(head) {
        return Health::Unauthorized;
    }
    let Some(cycle) = traffic.cycles.last() else {
        return Health::Waiting;
    };
    // Two missed cycles and a little: one is missed by any restart at the provider.
    let patience = traffic.rhythm(provider).map(|(seconds, _)| SignedDuration::from_secs(seconds * 5 / 2));
    if patience.is_some_and(|patience| now.duration_since(cycle.last) > patience) {
        Health::Overdue
    } else if share(cycle) >= WATCH_SHARE {
        Health::Failing
    } else {
        Health::Healthy
    }
}

/// Whether the latest token that arrived was not valid.
fn refused_last(head: &TenantHead) -> bool {
    let refused = head.state.traffic.latest_refusal.as_ref().map(|refusal| refusal.time);
    refused.is_some() && refused >= head.state.last_transfer
}

/// Microsoft's published thresholds, applied to what we answered.
fn quarantine(head: &TenantHead) -> Quarantine {
    let last = head.state.traffic.cycles.last();
    let share = last.map_or(0.0, share);
    let failures = last.map_or(0, |cycle| cycle.failures);
    if refused_last(head) {
        Quarantine { risk: Risk::Certain, reason: Some("credentials"), share }
    } else if failures > QUARANTINE_FAILURES_MAX {
        Quarantine { risk: Risk::Certain, reason: Some("count"), share }
    } else if failures >= QUARANTINE_FAILURES_MIN && share > QUARANTINE_SHARE {
        Quarantine { risk: Risk::Certain, reason: Some("share"), share }
    } else if share >= WATCH_SHARE {
        Quarantine { risk: Risk::Watch, reason: Some("share"), share }
    } else {
        Quarantine { risk: Risk::None, reason: None, share }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of counts that a cycle can reach")]
fn share(cycle: &Cycle) -> f64 {
    if cycle.requests == 0 { 0.0 } else { cycle.failures as f64 / cycle.requests as f64 }
}

fn bars(buckets: &[PeriodCount], seconds: i64, kept: i64, now: Timestamp) -> Vec<Bar> {
    let newest = now.as_second().div_euclid(seconds);
    let bar = |index: i64| {
        let bucket = buckets.iter().find(|bucket| bucket.index == index);
        Bar {
            from: Timestamp::from_second(index * seconds).unwrap_or(now),
            success: bucket.map_or(0, |bucket| bucket.success),
            failure: bucket.map_or(0, |bucket| bucket.failure),
        }
    };
    (newest - kept + 1..=newest).map(bar).collect()
}
