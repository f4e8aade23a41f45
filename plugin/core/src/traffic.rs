//! What a tenant's traffic tells of its connection: counts by hour and day, and the provider's cycles.
//!
//! Kept in the head of the tenant and brought forward with every batch of records, so it costs nothing of its own and
//! does not depend on how far back the journal's ring reaches.

use crate::connection::State;
use crate::connection::provider::IdentityProvider;
use crate::journal::{Entry, Outcome, Refused};
use crate::ledger::Head;
use crate::pace::{AHEAD_SECONDS_MAX, Demand};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pause in the traffic that ends a cycle. Within a cycle Entra's requests follow each other by seconds.
const CYCLE_GAP_SECONDS: i64 = 10 * 60;

/// How many cycles are remembered to learn their distance from.
const CYCLES_KEPT: usize = 9;

/// Fewer distances than this teach nothing.
const DISTANCES_MIN: usize = 3;

/// From this many failures on, Entra looks at their share (Microsoft Learn, provisioning quarantine status).
pub const QUARANTINE_FAILURES_MIN: u64 = 5_000;

/// Above this share Entra quarantines.
pub const QUARANTINE_SHARE: f64 = 0.4;

/// Above this number Entra quarantines whatever the share.
pub const QUARANTINE_FAILURES_MAX: u64 = 40_000;

/// When so many requests have looked like a provider, all counts are halved: what was long ago counts less and less.
const SIGNS_KEPT: u32 = 64;

/// Fewer requests than this that look like another provider are no reason to say so: somebody tries something out.
const SIGNS_MIN: u32 = 5;

/// The other provider must have been seen so many times as often as the chosen one.
const SIGNS_TIMES: u32 = 3;

/// A share that is worth a look before Entra's thresholds are near.
const WATCH_SHARE: f64 = 0.1;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const HOURS_KEPT: i64 = 24;
const DAYS_KEPT: i64 = 30;

/// The memory of a tenant's traffic.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    hours: Vec<Bucket>,
    days: Vec<Bucket>,
    cycles: Vec<Cycle>,
    first_request: Option<First>,
    latest_refusal: Option<Refusal>,
    #[serde(default)]
    refusals: Refusals,
    #[serde(default)]
    throttles: Refusals,
    #[serde(default)]
    demand: Demand,
    /// How many of the latest requests that looked like a provider looked like which.
    #[serde(default)]
    signs: BTreeMap<String, u32>,
}

/// The records of requests that were refused alike in the present hour.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
struct Refusals {
    hour: i64,
    kept: u64,
    /// The number of the latest of them.
    number: u64,
}

/// Requests of one hour or day, numbered from 1970.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
struct Bucket {
    #[serde(rename = "n")]
    index: i64,
    #[serde(rename = "s")]
    success: u64,
    #[serde(rename = "f")]
    failure: u64,
}

/// One burst of requests.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
struct Cycle {
    started: Timestamp,
    last: Timestamp,
    requests: u64,
    failures: u64,
}

/// The first request of a connection that carried a valid token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct First {
    number: u64,
    time: Timestamp,
    status: u16,
    detail: Option<String>,
    operation: String,
}

/// The latest request that was refused for its token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    time: Timestamp,
    status: u16,
    detail: Option<String>,
    token_hint: Option<String>,
}

impl Traffic {
    /// Forgets what is said to be of a time that has not come: a clock was wrong, or that of whoever wrote an export is.
    pub(crate) fn forget_future(&mut self, now: Timestamp) {
        let latest = now.as_second().saturating_add(AHEAD_SECONDS_MAX);
        self.demand.forget_future(now.as_second());
        self.hours.retain(|bucket| bucket.index <= latest.div_euclid(HOUR));
        self.days.retain(|bucket| bucket.index <= latest.div_euclid(DAY));
        self.cycles.retain(|cycle| cycle.started.as_second() <= latest);
        for time in self.cycles.iter_mut().map(|cycle| &mut cycle.last) {
            *time = (*time).min(now);
        }
        for time in self.latest_refusal.iter_mut().map(|refusal| &mut refusal.time) {
            *time = (*time).min(now);
        }
        for refusals in [&mut self.refusals, &mut self.throttles] {
            if refusals.hour > latest.div_euclid(HOUR) {
                *refusals = Refusals::default();
            }
        }
    }

    /// Takes a record in. Without a rate there is none that the tenant could be above.
    pub(crate) fn note(&mut self, entry: &Entry, number: u64, rate: Option<u64>) {
        let record = &entry.record;
        let failed = record.outcome == Outcome::Failure;
        let second = record.time.as_second();
        let requests = 1 + record.repeats;
        tally(&mut self.hours, second.div_euclid(HOUR), HOURS_KEPT, failed, requests);
        tally(&mut self.days, second.div_euclid(DAY), DAYS_KEPT, failed, requests);
        if entry.token_id.is_none() {
            self.latest_refusal = Some(Refusal {
                time: record.time,
                status: record.status,
                detail: record.detail.clone(),
                token_hint: record.token.clone(),
            });
            return;
        }
        self.demand.note(second, requests, rate.unwrap_or(u64::MAX));
        // The provider tries again what was one too many; its cycle has not failed for that.
        if entry.is_throttled() {
            return;
        }
        self.first_request.get_or_insert_with(|| First {
            number,
            time: record.time,
            status: record.status,
            detail: record.detail.clone(),
            operation: record.operation.clone(),
        });
        self.cycle(record.time, failed);
        if let Some(sign) = entry.sign {
            self.sign(sign);
        }
    }

    fn sign(&mut self, sign: &str) {
        *self.signs.entry(sign.to_owned()).or_default() += 1;
        if self.signs.values().sum::<u32>() >= SIGNS_KEPT {
            self.signs.values_mut().for_each(|count| *count /= 2);
            self.signs.retain(|_, count| *count > 0);
        }
    }

    /// Another provider than the chosen one, if it is the one that most requests look like.
    fn looks_like(&self, chosen: &IdentityProvider) -> Option<&str> {
        let of_chosen = self.signs.get(chosen.id).copied().unwrap_or_default();
        let (other, count) = self.signs.iter().filter(|(id, _)| *id != chosen.id).max_by_key(|(_, count)| **count)?;
        (*count >= SIGNS_MIN && *count >= of_chosen * SIGNS_TIMES).then_some(other)
    }

    /// The record that has to stand for one more request that was refused alike; nothing where it gets its own, `number`.
    pub(crate) fn refusal(&mut self, refused: Refused, time: Timestamp, number: u64) -> Option<u64> {
        let hour = time.as_second().div_euclid(HOUR);
        let refusals = self.refusals_of(refused);
        if refusals.hour != hour {
            *refusals = Refusals { hour, kept: 0, number: 0 };
        }
        if refusals.kept >= refused.kept_max() {
            return Some(refusals.number);
        }
        *refusals = Refusals { hour, kept: refusals.kept + 1, number };
        None
    }

    fn refusals_of(&mut self, refused: Refused) -> &mut Refusals {
        match refused {
            Refused::Stranger => &mut self.refusals,
            Refused::Throttled => &mut self.throttles,
        }
    }

    /// How many requests with a valid token are to be expected in a second.
    pub(crate) fn demand(&self, now: Timestamp, rate: u64) -> u64 {
        self.demand.latest(now.as_second(), rate)
    }

    /// Takes in that so many are to be expected.
    pub(crate) fn expect(&mut self, now: Timestamp, requests: u64, rate: u64) {
        self.demand.expect(now.as_second(), requests, rate);
    }

    /// The record that stood for others has left the ring; this one takes its place.
    pub(crate) fn refusal_moved(&mut self, refused: Refused, number: u64) {
        self.refusals_of(refused).number = number;
    }

    /// Another provider has another rhythm, and other looks are right for it.
    pub(crate) fn forget_provider(&mut self) {
        self.cycles.clear();
        self.signs.clear();
    }

    fn cycle(&mut self, time: Timestamp, failed: bool) {
        let gap = SignedDuration::from_secs(CYCLE_GAP_SECONDS);
        match self.cycles.last_mut().filter(|cycle| time.duration_since(cycle.last) < gap) {
            Some(cycle) => {
                cycle.last = cycle.last.max(time);
                cycle.requests += 1;
                cycle.failures += u64::from(failed);
            }
            None => {
                self.cycles.push(Cycle { started: time, last: time, requests: 1, failures: u64::from(failed) });
                if self.cycles.len() > CYCLES_KEPT {
                    self.cycles.remove(0);
                }
            }
        }
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

fn tally(buckets: &mut Vec<Bucket>, index: i64, kept: i64, failed: bool, requests: u64) {
    let place = match buckets.binary_search_by_key(&index, |bucket| bucket.index) {
        Ok(place) => place,
        Err(place) => {
            buckets.insert(place, Bucket { index, success: 0, failure: 0 });
            place
        }
    };
    if failed {
        buckets[place].failure += requests;
    } else {
        buckets[place].success += requests;
    }
    let newest = buckets.last().map_or(index, |bucket| bucket.index);
    buckets.retain(|bucket| bucket.index > newest - kept);
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
    latest_refusal: Option<Refusal>,
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
    pub fn of(head: &Head, provider: &IdentityProvider, state: State, seats: Option<u64>, now: Timestamp) -> Activity {
        let traffic = &head.traffic;
        let rhythm = traffic.rhythm(provider);
        let last = traffic.cycles.last();
        let next = last
            .zip(rhythm)
            .and_then(|(cycle, (seconds, _))| cycle.started.checked_add(SignedDuration::from_secs(seconds)).ok());
        let health = health(head, provider, state, now);
        Activity {
            now,
            last_contact_at: head.last_transfer,
            last_success_at: head.last_success,
            last_change_at: head.last_change,
            state: health,
            cycle: CycleReport {
                seconds: rhythm.map(|(seconds, _)| seconds),
                learnt: rhythm.is_some_and(|(_, learnt)| learnt),
                last_started_at: last.map(|cycle| cycle.started),
                requests: last.map_or(0, |cycle| cycle.requests),
                failures: last.map_or(0, |cycle| cycle.failures),
            },
            expected_next_at: next.filter(|_| state == State::Active),
            overdue_since: next.filter(|_| health == Health::Overdue),
            quarantine: provider.quarantines.then(|| quarantine(head)),
            hours: bars(&traffic.hours, HOUR, HOURS_KEPT, now),
            days: bars(&traffic.days, DAY, DAYS_KEPT, now),
            seats: Seats { used: head.active, limit: seats },
            looks_like: traffic.looks_like(provider).map(str::to_owned),
            first_request: traffic.first_request.clone(),
            latest_refusal: traffic.latest_refusal.clone(),
        }
    }
}

/// How the connection of this head is doing.
pub fn health(head: &Head, provider: &IdentityProvider, state: State, now: Timestamp) -> Health {
    let traffic = &head.traffic;
    if state == State::Ended {
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
fn refused_last(head: &Head) -> bool {
    let refused = head.traffic.latest_refusal.as_ref().map(|refusal| refusal.time);
    refused.is_some() && refused >= head.last_transfer
}

/// Microsoft's published thresholds, applied to what we answered.
fn quarantine(head: &Head) -> Quarantine {
    let last = head.traffic.cycles.last();
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

fn bars(buckets: &[Bucket], seconds: i64, kept: i64, now: Timestamp) -> Vec<Bar> {
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
