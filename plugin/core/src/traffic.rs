//! What a tenant's traffic tells of its connection: counts by hour and day, and the provider's cycles.
//!
//! Kept in the head of the tenant and brought forward with every batch of records, so it costs nothing of its own and
//! does not depend on how far back the journal's ring reaches.

pub mod activity;

use crate::journal::record::{Outcome, PendingRecord, Record, RepeatedRefusal};
use crate::pace::{AHEAD_SECONDS_MAX, Demand};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A pause in the traffic that ends a cycle. Within a cycle Entra's requests follow each other by seconds.
const CYCLE_GAP_SECONDS: i64 = 10 * 60;

/// How many cycles are remembered to learn their distance from.
const CYCLES_KEPT: usize = 9;

/// When so many requests have looked like a provider, all counts are halved: what was long ago counts less and less.
const SIGNS_KEPT: u32 = 64;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const HOURS_KEPT: i64 = 24;
const DAYS_KEPT: i64 = 30;

/// The memory of a tenant's traffic.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    hours: Vec<PeriodCount>,
    days: Vec<PeriodCount>,
    cycles: Vec<Cycle>,
    first_request: Option<First>,
    latest_refusal: Option<LatestRefusal>,
    #[serde(default)]
    refusals: Refusals,
    #[serde(default)]
    throttles: Refusals,
    #[serde(default)]
    demand: Demand,
    /// How many of the latest requests that looked like a provider looked like which.
    #[serde(default)]
    signs: BTreeMap<String, u32>,
    /// How many requests were read liberally, by the name of the leniency.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    leniencies: BTreeMap<String, Tally>,
}

/// How many requests had something, and when the last one came.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    count: u64,
    last: Timestamp,
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
struct PeriodCount {
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
pub struct LatestRefusal {
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
        for time in self.leniencies.values_mut().map(|tally| &mut tally.last) {
            *time = (*time).min(now);
        }
        for refusals in [&mut self.refusals, &mut self.throttles] {
            if refusals.hour > latest.div_euclid(HOUR) {
                *refusals = Refusals::default();
            }
        }
    }

    /// Takes a record in. Without a rate there is none that the tenant could be above.
    pub(crate) fn note(&mut self, entry: &PendingRecord, number: u64, rate: Option<u64>) {
        let record = &entry.record;
        let failed = record.outcome == Outcome::Failure;
        let second = record.time.as_second();
        let requests = 1 + record.repeats;
        tally(&mut self.hours, second.div_euclid(HOUR), HOURS_KEPT, failed, requests);
        tally(&mut self.days, second.div_euclid(DAY), DAYS_KEPT, failed, requests);
        if entry.token_id.is_none() {
            self.latest_refusal = Some(LatestRefusal {
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
        self.count_leniencies(record);
    }

    fn count_leniencies(&mut self, record: &Record) {
        let names: BTreeSet<&str> = record.leniencies.iter().map(|leniency| leniency.what.as_str()).collect();
        for name in names {
            let tally = self.leniencies.entry(name.to_owned()).or_insert(Tally { count: 0, last: record.time });
            tally.count += 1;
            tally.last = tally.last.max(record.time);
        }
    }

    /// What the provider's requests had that was read liberally, by the name of the leniency.
    pub fn leniencies(&self) -> &BTreeMap<String, Tally> {
        &self.leniencies
    }

    fn sign(&mut self, sign: &str) {
        *self.signs.entry(sign.to_owned()).or_default() += 1;
        if self.signs.values().sum::<u32>() >= SIGNS_KEPT {
            self.signs.values_mut().for_each(|count| *count /= 2);
            self.signs.retain(|_, count| *count > 0);
        }
    }

    /// The record that has to stand for one more request that was refused alike; nothing where it gets its own, `number`.
    pub(crate) fn refusal(&mut self, refused: RepeatedRefusal, time: Timestamp, number: u64) -> Option<u64> {
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

    fn refusals_of(&mut self, refused: RepeatedRefusal) -> &mut Refusals {
        match refused {
            RepeatedRefusal::Stranger => &mut self.refusals,
            RepeatedRefusal::Throttled => &mut self.throttles,
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
    pub(crate) fn refusal_moved(&mut self, refused: RepeatedRefusal, number: u64) {
        self.refusals_of(refused).number = number;
    }

    /// Another provider has another rhythm, and other looks are right for it.
    pub(crate) fn forget_provider(&mut self) {
        self.cycles.clear();
        self.signs.clear();
        self.leniencies.clear();
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
}

fn tally(buckets: &mut Vec<PeriodCount>, index: i64, kept: i64, failed: bool, requests: u64) {
    let place = match buckets.binary_search_by_key(&index, |bucket| bucket.index) {
        Ok(place) => place,
        Err(place) => {
            buckets.insert(place, PeriodCount { index, success: 0, failure: 0 });
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
