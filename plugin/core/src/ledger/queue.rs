//! Waiting for a turn: numbers, who looks for them, and what becomes of a holder that died.

use super::damage::{InFlight, closing};
use super::head::{Head, HeadState, StoredHead, TurnProgress};
use super::intent::{self, Pair};
use super::layout::{self, LAYOUT, Migrate};
use super::lease::{Beat, Commits, Lease};
use super::read::{decode, value};
use super::{ASKED_MAX, AWAKE_GAP_MAX, BEAR, Error, HOLD, Ledger, MIGRATING_MAX, Turn, WAIT_MAX, capabilities};
use crate::keys::Space;
use crate::ports::Batches;
use crate::ports::Ports;
use crate::watch::microseconds;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

/// Numbers from this one on are those of an epoch that was ended: ending it adds so much to its counter.
pub(super) const CLOSED: u64 = 1 << 40;

/// Spaces of which an instance remembers how far they had come. Forgetting them costs nothing but that knowledge.
const REMEMBERED_SPACES_MAX: usize = 10_000;

/// A number that nobody has looked for so long is one that nobody waits for.
const ABANDONED_AFTER: Duration = Duration::from_millis(50);

/// The shortest pause of a caller who got in another's way, which doubles each time, before the first time.
const APART_MIN: Duration = Duration::from_micros(500);

/// How much longer the pause is for each step that chance gives, 255 of them at most.
const APART_STEP: Duration = Duration::from_micros(10);

/// How long to wait before a store that may be gone for a moment is asked again.
const BEAR_PAUSE: Duration = Duration::from_millis(20);

/// One who waits for a turn without holding up whoever shares its thread: it looks, and is told when to look again.
pub struct Waiter {
    space: Space,
    arrived: Duration,
    /// Whether it takes a turn in a space that is closed, to mend it.
    mends: bool,
    /// When it began to migrate the space, if it did.
    migrating: Cell<Option<Duration>>,
}

/// What a [`Waiter`] sees.
pub enum Look<'a, S: HeadState> {
    /// Its turn.
    Turn(Turn<'a, S>),
    /// That others come first. It may look again after this.
    Later(Duration),
}

/// What an instance remembers of turns: the numbers that it has asked for and that have not come up yet, one for each
/// space, how far each space had come, and which of them it suspects of damage.
///
/// All who wait in the instance share the number of a space, and whoever looks first when it comes up has the turn: one who
/// holds the instance up while it waits must never wait for one who cannot go on meanwhile.
#[derive(Default)]
pub struct Tickets {
    numbers: RefCell<BTreeMap<Space, Ticket>>,
    furthest: RefCell<BTreeMap<Space, TurnProgress>>,
    suspected: RefCell<BTreeMap<Space, Suspicion>>,
}

/// What makes a space look damaged.
struct Suspicion {
    found: String,
    /// The epoch of the write that came too late.
    epoch: u64,
}

impl Tickets {
    /// The spaces whose number nobody looks for any more, although it has not come up. Until somebody does, everybody waits
    /// for it in vain.
    pub fn abandoned(&self, now: Duration) -> Vec<Space> {
        let numbers = self.numbers.borrow();
        let alone = |ticket: &Ticket| now.saturating_sub(ticket.looked) >= ABANDONED_AFTER;
        numbers.iter().filter(|(_, ticket)| alone(ticket)).map(|(space, _)| space.clone()).collect()
    }

    /// Whether any number has not come up.
    pub fn is_empty(&self) -> bool {
        self.numbers.borrow().is_empty()
    }

    /// Notes how far a space has come.
    pub(super) fn note(&self, space: &Space, progress: TurnProgress) {
        let mut furthest = self.furthest.borrow_mut();
        match furthest.get_mut(space) {
            Some(known) => *known = progress.max(*known),
            None => {
                if furthest.len() >= REMEMBERED_SPACES_MAX {
                    furthest.clear();
                }
                furthest.insert(space.clone(), progress);
            }
        }
    }

    pub(super) fn furthest(&self, space: &Space) -> Option<TurnProgress> {
        self.furthest.borrow().get(space).copied()
    }

    /// Notes what makes a space look damaged; whoever looks for a turn of it next closes it.
    pub(super) fn suspect(&self, space: &Space, epoch: u64, found: &str) {
        self.suspected.borrow_mut().insert(space.clone(), Suspicion { found: found.to_owned(), epoch });
    }

    /// Why a space with this head is to be closed. Where another instance has mended it since, there is no reason any more.
    fn suspicion<S: HeadState>(&self, space: &Space, head: &Head<S>) -> Option<String> {
        let mut suspected = self.suspected.borrow_mut();
        if suspected.get(space).is_some_and(|suspicion| head.is_mended_after(suspicion.epoch)) {
            suspected.remove(space);
        }
        suspected.get(space).map(|suspicion| suspicion.found.clone())
    }

    pub(super) fn forget_suspicion(&self, space: &Space) {
        self.suspected.borrow_mut().remove(space);
    }

    fn take(&self, space: &Space) -> Option<Ticket> {
        self.numbers.borrow_mut().remove(space)
    }

    fn keep(&self, space: &Space, ticket: Ticket) {
        self.numbers.borrow_mut().insert(space.clone(), ticket);
    }
}

impl Waiter {
    /// Begins to wait.
    pub fn arrive(ports: &Ports, space: Space) -> Waiter {
        Waiter { space, arrived: ports.clock.elapsed(), mends: false, migrating: Cell::new(None) }
    }

    /// A waiter for a turn that this instance has asked for and that no request waits for any more.
    pub fn to_give_on(ports: &Ports, space: Space) -> Waiter {
        Waiter::arrive(ports, space).mending()
    }

    /// This waiter, for a turn in which a damaged space is mended.
    pub(super) fn mending(self) -> Waiter {
        Waiter { mends: true, ..self }
    }

    /// Asks for a number where this instance has none, and looks whether it is its turn. A space of an earlier layout is
    /// migrated on the way.
    ///
    /// # Errors
    /// The store does not answer or is not fit to be written to, the space has a later layout, or it is damaged.
    pub fn look<'a, S: Migrate>(&self, ledger: Ledger<'a>) -> Result<Look<'a, S>, Error> {
        let commits = Commits::of(ledger, capabilities::batches(ledger)?);
        let (clock, tickets) = (&ledger.ports.clock, &ledger.memory.tickets);
        let queue = Queue { ledger, space: self.space.clone(), commits, arrived: self.arrived };
        loop {
            let mut ticket = tickets.take(&self.space).map_or_else(|| queue.ticket(), Ok)?;
            match queue.look(&mut ticket) {
                Ok(TicketState::Later(pause)) => {
                    tickets.keep(&self.space, ticket);
                    return Ok(Look::Later(pause));
                }
                Ok(TicketState::Passed) => {}
                Ok(TicketState::Turn(turn)) if turn.base.damage.is_some() && !self.mends => {
                    turn.release()?;
                    return Err(Error::Mending);
                }
                Ok(TicketState::Turn(mut turn)) => {
                    let since = self.migrating.get().unwrap_or_else(|| clock.elapsed());
                    if !layout::advance(&mut turn, S::STEPS, LAYOUT)? {
                        ledger.memory.turn_counts.had.count();
                        let waited = clock.elapsed().saturating_sub(self.arrived);
                        ledger.memory.turn_counts.waited_us.add(microseconds(waited));
                        return Ok(Look::Turn(turn));
                    }
                    turn.commit()?;
                    // Whoever shares the thread goes on between two pieces.
                    self.migrating.set(Some(since));
                    if clock.elapsed().saturating_sub(since) > MIGRATING_MAX {
                        return Err(Error::Busy);
                    }
                    return Ok(Look::Later(Duration::ZERO));
                }
                Err(error) => {
                    // The number is still good for whoever comes next.
                    tickets.keep(&self.space, ticket);
                    return Err(error);
                }
            }
        }
    }
}

/// Those who wait for their turn in a space.
pub(crate) struct Queue<'a> {
    pub(super) ledger: Ledger<'a>,
    pub(super) space: Space,
    pub(super) commits: Commits,
    arrived: Duration,
}

/// A place in the queue.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    pub(super) epoch: u64,
    pub(super) number: u64,
    /// The turn had not begun by then.
    since: Duration,
    /// When somebody last looked whether it has come up.
    looked: Duration,
    watch: Option<Watch>,
}

/// What the holder of a ticket sees.
enum TicketState<'a, S: HeadState> {
    Turn(Turn<'a, S>),
    /// Others went on without it.
    Passed,
    Later(Duration),
}

impl<'a> Queue<'a> {
    pub(crate) fn on(ledger: Ledger<'a>, space: Space, batches: Batches) -> Queue<'a> {
        let commits = Commits::of(ledger, batches);
        Queue { ledger, space, commits, arrived: ledger.ports.clock.elapsed() }
    }

    /// Asks for a number. A failed call may have taken one; that is passed over as a dead holder's is.
    pub(crate) fn ticket(&self) -> Result<Ticket, Error> {
        let epoch = Head::<()>::read(self.ledger, &self.space)?.epoch;
        let key = self.space.turns(epoch);
        let mut asked = 1;
        loop {
            let since = self.ledger.ports.clock.elapsed();
            match self.ledger.ports.store.increment(&key, 1) {
                Ok(number) => return Ok(Ticket { epoch, number: count(number), since, looked: since, watch: None }),
                Err(error) if asked == ASKED_MAX => return Err(error.into()),
                Err(_) => self.ledger.ports.clock.pause(self.apart(asked)),
            }
            asked += 1;
        }
    }

    /// A pause that differs from caller to caller and grows, so that those who got in each other's way do not again.
    fn apart(&self, asked: u32) -> Duration {
        let mut random = [0];
        self.ledger.ports.entropy.fill(&mut random);
        (APART_MIN + APART_STEP * u32::from(random[0])) * (1 << asked)
    }

    /// Waits for the turn of this number. Nothing where it was passed over.
    pub(crate) fn wait<S: HeadState>(&self, mut ticket: Ticket) -> Result<Option<Turn<'a, S>>, Error> {
        loop {
            match self.look(&mut ticket)? {
                TicketState::Turn(turn) => return Ok(Some(turn)),
                TicketState::Passed => return Ok(None),
                TicketState::Later(pause) => self.ledger.ports.clock.pause(pause),
            }
        }
    }

    fn look<S: HeadState>(&self, ticket: &mut Ticket) -> Result<TicketState<'a, S>, Error> {
        let looked = self.ledger.ports.clock.elapsed();
        ticket.looked = looked;
        let stored = self.stored()?;
        if let Some(found) =
            self.ledger.memory.tickets.suspicion(&self.space, &stored.head).or_else(|| self.went_back(&stored, ticket))
        {
            self.reopen(&stored, &found)?;
            return Ok(TicketState::Passed);
        }
        let head = &stored.head;
        if head.epoch != ticket.epoch || head.done >= ticket.number {
            return Ok(TicketState::Passed);
        }
        if head.done + 1 != ticket.number || head.intent.is_some() {
            ticket.since = looked;
        } else if self.commits.is_guarded() || looked.saturating_sub(ticket.since) <= HOLD {
            let lease = self.lease(&stored, ticket.since);
            return Ok(TicketState::Turn(Turn::new(lease, stored.head)));
        }
        let now = self.ledger.ports.clock.elapsed();
        if now.saturating_sub(self.arrived) > WAIT_MAX {
            return Err(Error::Busy);
        }
        let watch = ticket.watch.get_or_insert_with(|| Watch::new(now, head));
        watch.see(now, head, || self.beats(head))?;
        if watch.is_over(now, self.commits.takeover()) {
            self.end_epoch(&stored, watch.rounds)?;
            watch.begin_round(self.ledger.ports.clock.elapsed());
            return Ok(TicketState::Later(Duration::ZERO));
        }
        Ok(TicketState::Later(patience(ticket.number - head.done - 1, now.saturating_sub(watch.since))))
    }

    /// How often the holder of the present turn has said that it goes on.
    fn beats<S: HeadState>(&self, head: &Head<S>) -> Result<u64, Error> {
        let key = self.space.beat();
        let beat = value(self.ledger.ports, &key)?.map(|bytes| decode::<Beat>(&key, &bytes)).transpose()?;
        Ok(beat.map_or(0, |beat| beat.of_turn_after(head.progress())))
    }

    /// The head, from a store that may be gone for a moment.
    fn stored<S: HeadState>(&self) -> Result<StoredHead<S>, Error> {
        let since = self.ledger.ports.clock.elapsed();
        loop {
            let stored = StoredHead::read(self.ledger, &self.space);
            let bears = self.ledger.ports.clock.elapsed().saturating_sub(since) < BEAR;
            match stored {
                Err(Error::Store(_)) if bears => self.ledger.ports.clock.pause(BEAR_PAUSE),
                Ok(_) | Err(_) => return stored,
            }
        }
    }

    /// The right to the turn that follows on a stored head.
    pub(super) fn lease<S: HeadState>(&self, stored: &StoredHead<S>, since: Duration) -> Lease<'a> {
        Lease::new(self.ledger, self.space.clone(), self.commits, stored, since)
    }

    /// Ends an epoch whose next turn is dead, after writing what that turn had decided.
    ///
    /// With a guard one of those who try does it. Without one, of all who try in one round one sees 1 and does it; a
    /// further round opens only after a waiter has seen that one fail for as long again, and leads to an epoch of its own,
    /// so that whoever comes back late from an earlier round opens none that is in use.
    fn end_epoch<S: HeadState>(&self, stuck: &StoredHead<S>, round: u32) -> Result<(), Error> {
        let since = self.ledger.ports.clock.elapsed();
        let epoch = stuck.head.epoch;
        if !self.commits.is_guarded() {
            if self.has_trail_after(&stuck.head)? {
                return self.reopen(stuck, "later turns than the head knows have left a trail");
            }
            if self.ledger.ports.store.increment(&self.space.heal(epoch, round), 1)? != 1 {
                return Ok(());
            }
        }
        let stored: StoredHead<S> = StoredHead::read(self.ledger, &self.space)?;
        if stored.bytes != stuck.bytes {
            return Ok(());
        }
        let Head { done, .. } = stored.head;
        let lease = self.lease(&stored, since);
        let mut head = stored.head;
        if let Some(intent) = head.intent.take() {
            let pairs: Vec<Pair> = intent.pairs(self.ledger.ports, &self.space)?.into_iter().collect();
            intent::write(&lease, &pairs)?;
            head = *intent.next;
        }
        let mut next = head.of_epoch(epoch + 1 + u64::from(round));
        if !self.commits.is_guarded() {
            // What the turn before emptied, the dead holder may have been deleting.
            let now = self.ledger.ports.clock.now();
            InFlight::expect_of_dead(&mut next.in_flight, now, stuck.head.emptied.clone());
            if self.commits == Commits::Parts {
                InFlight::expect_values(&mut next.in_flight, now);
            }
        }
        lease.carry_out(&[next.pair(&self.space)])?;
        self.ledger.memory.turn_counts.takeovers.count();
        self.ledger.ports.log.line(&format!("turns: epoch {epoch} of {} ended at turn {done}", self.space.head()));
        (epoch..next.epoch)
            .try_for_each(|ended| self.ledger.ports.store.increment(&self.space.turns(ended), closing()).map(drop))?;
        Ok(())
    }
}

/// How long a waiter has seen the same moment of a turn, in time in which it was awake.
#[derive(Clone, Copy)]
struct Watch {
    since: Duration,
    /// When it last looked.
    looked: Duration,
    moment: Moment,
    rounds: u32,
}

/// What a waiter sees of a turn under way. One that never changes is that of a holder which died.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Moment {
    progress: TurnProgress,
    /// Whether the change is decided.
    decided: bool,
    beats: u64,
}

impl Moment {
    fn of<S: HeadState>(head: &Head<S>, beats: u64) -> Moment {
        Moment { progress: head.progress(), decided: head.intent.is_some(), beats }
    }
}

impl Watch {
    fn new<S: HeadState>(now: Duration, head: &Head<S>) -> Watch {
        Watch { since: now, looked: now, moment: Moment::of(head, 0), rounds: 0 }
    }

    /// Sees a head. Where the turn has been the same for long enough that its holder may have said that it goes on, that is
    /// asked for, too.
    fn see<S: HeadState>(
        &mut self,
        now: Duration,
        head: &Head<S>,
        beats: impl FnOnce() -> Result<u64, Error>,
    ) -> Result<(), Error> {
        let asleep = now.saturating_sub(self.looked) > AWAKE_GAP_MAX;
        self.looked = now;
        let moment = Moment::of(head, self.moment.beats);
        if moment != self.moment {
            *self = Watch { moment: Moment { beats: 0, ..moment }, since: now, rounds: 0, ..*self };
        } else if asleep {
            self.since = now;
        } else if now.saturating_sub(self.since) > HOLD / 2 {
            let beats = beats()?;
            if beats != self.moment.beats {
                *self = Watch { moment: Moment { beats, ..moment }, since: now, rounds: 0, ..*self };
            }
        }
        Ok(())
    }

    fn is_over(&self, now: Duration, takeover: Duration) -> bool {
        now.saturating_sub(self.since) > takeover
    }

    fn begin_round(&mut self, now: Duration) {
        self.rounds += 1;
        (self.since, self.looked) = (now, now);
    }
}

/// How long who is next waits before it looks again.
const NEXT_LOOK: Duration = Duration::from_micros(300);

/// How much longer for each turn that comes before.
const TURN_LOOK: Duration = Duration::from_micros(1_200);

/// Turns ahead of which further ones make no difference.
const AHEAD_MAX: u32 = 200;

/// How long who has seen the same turn for long waits at most, if its place in the queue asks for no more.
const LONG_LOOK_MAX: Duration = Duration::from_millis(25);

/// A turn takes one to two milliseconds on an embedded store; who is further back looks less often, and so does who has
/// seen the same turn for long.
fn patience(ahead: u64, watched: Duration) -> Duration {
    let further = u32::try_from(ahead.saturating_sub(1)).unwrap_or(u32::MAX).min(AHEAD_MAX);
    let queue = NEXT_LOOK + TURN_LOOK * further;
    queue.max((watched / 8).min(LONG_LOOK_MAX))
}

pub(super) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
