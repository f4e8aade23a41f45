//! From one layout of the stored values to the next.
//!
//! The head of a space says which layout its values have. A space of an earlier one is brought forward by whoever first
//! takes a turn in it, a step at a time and each step a piece at a time: a piece and how far it came are one batch, so a
//! crash costs nothing, and a request that cannot wait for all pieces leaves the rest to the next. Nothing of a space is
//! read or written before that, see [`Rollcall::prepare`](crate::http::Rollcall). A space of a later layout is refused:
//! this version cannot know what its values mean.
//!
//! A field that may be missing is no new layout: values without it read as what they meant when they were written.

use super::{Error, LAYOUT, Read as _, Turn};

/// What brings a space from one layout to the next.
pub(super) struct Step {
    /// The layout that it starts from.
    from: u32,
    /// Stages one piece, from where the piece before ended, and says where it ended itself; nothing after the last one. A
    /// piece stays well within [`HOLD`](super::HOLD), and may be staged again from values that it has changed already.
    piece: fn(&mut Turn<'_>, Option<String>) -> Result<Option<String>, Error>,
}

/// The steps of this version.
pub(super) const STEPS: &[Step] = &[USERS_UNDER_THEIR_NAMES, BODIES_BEHIND_RECORDS, FOLDED_NAMES_AND_BOUNDED_ENTRIES];

/// Layout 2 keeps a user under its name, too. The id alone, which layout 1 had there, still reads, and gives way when the
/// user changes; so there is nothing to rewrite, and the number only keeps a version away that cannot read the other.
const USERS_UNDER_THEIR_NAMES: Step = Step { from: 1, piece: |_, _| Ok(None) };

/// Layout 3 keeps the bodies of a record behind its JSON. Those within it still read, and the ring wears them away.
const BODIES_BEHIND_RECORDS: Step = Step { from: 2, piece: |_, _| Ok(None) };

/// Layout 4 names index entries by full case folding and with the number of the connection, and bounds their size.
const FOLDED_NAMES_AND_BOUNDED_ENTRIES: Step = Step { from: 3, piece: crate::directory::migrate::piece };

/// Stages the next piece, if the space is of an earlier layout. The caller commits it and takes the next turn.
pub(super) fn advance(turn: &mut Turn<'_>, steps: &[Step], to: u32) -> Result<bool, Error> {
    let from = turn.head.layout;
    if from == to {
        return Ok(false);
    }
    let Some(step) = steps.iter().find(|step| step.from == from) else {
        let key = turn.space().head();
        return Err(Error::Corrupt(format!(
            "{key}: expected layout {to} or an earlier one that is known, found {from}"
        )));
    };
    let ended = turn.head.migrated_to.take();
    turn.head.migrated_to = (step.piece)(turn, ended)?;
    if turn.head.migrated_to.is_none() {
        turn.head.layout = from + 1;
    }
    Ok(true)
}

/// Refuses a layout that is later than this version's.
pub(super) fn expect_known(layout: u32) -> Result<(), Error> {
    if layout > LAYOUT { Err(Error::Later(layout)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::Queue;
    use super::*;
    use crate::keys::{Space, TenantId};
    use crate::ledger::Head;
    use crate::ports::{Clock, Entropy, Log, Ports, Store, StoreError};
    use crate::settings::Settings;
    use jiff::Timestamp;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::rc::Rc;
    use std::time::Duration;

    /// A step with three pieces, to this version's layout from one that never was: each value of a list becomes a key of
    /// its own.
    const SPLIT: Step = Step {
        from: LAYOUT - 1,
        piece: |turn, ended| {
            let list = turn.space().connection();
            let values: Vec<String> = turn.read(&list)?.unwrap_or_default();
            let at: usize = ended.map_or(0, |ended| ended.parse().unwrap());
            turn.write(turn.space().journal(at as u64), &values[at]);
            if at + 1 < values.len() {
                return Ok(Some((at + 1).to_string()));
            }
            turn.remove(list);
            Ok(None)
        },
    };

    #[derive(Default, Clone)]
    struct Map {
        data: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
        writes_left: Rc<Cell<usize>>,
        time: Rc<Cell<Duration>>,
    }

    impl Store for Map {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            Ok(self.data.borrow().get(key).cloned())
        }
        fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
            let left = self.writes_left.get().checked_sub(1).ok_or_else(|| StoreError("gone".to_owned()))?;
            self.writes_left.set(left);
            self.data.borrow_mut().extend(pairs.iter().cloned());
            Ok(())
        }
        fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
            self.data.borrow_mut().retain(|key, _| !keys.contains(key));
            Ok(())
        }
        fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
            let mut data = self.data.borrow_mut();
            let old = data.get(key).map_or(0, |bytes| i64::from_le_bytes(bytes.as_slice().try_into().unwrap()));
            data.insert(key.to_owned(), (old + delta).to_le_bytes().to_vec());
            Ok(old + delta)
        }
        fn list_keys(&self) -> Result<Vec<String>, StoreError> {
            Ok(self.data.borrow().keys().cloned().collect())
        }
    }

    impl Clock for Map {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
        fn elapsed(&self) -> Duration {
            self.time.get()
        }
        fn pause(&self, duration: Duration) {
            self.time.set(self.time.get() + duration);
        }
    }

    impl Entropy for Map {
        fn fill(&self, _: &mut [u8]) {}
    }

    impl Log for Map {
        fn line(&self, _: &str) {}
    }

    fn settings() -> Settings {
        Settings::read(|name| (name == "admin_secret").then(|| "the-admin-secret-of-the-tests".to_owned())).unwrap()
    }

    fn ports(map: &Map) -> Ports {
        let each = || Box::new(map.clone());
        Ports {
            store: each(),
            clock: each(),
            entropy: each(),
            log: each(),
            known: crate::ledger::capabilities::Known::default(),
            tickets: crate::ledger::Tickets::default(),
        }
    }

    fn space() -> Space {
        Space::tenant(&TenantId::parse("abcdefghjk").unwrap())
    }

    /// A store of that layout.
    fn old() -> Map {
        let map = Map::default();
        map.writes_left.set(usize::MAX);
        let (ports, settings) = (ports(&map), settings());
        let mut turn = Turn::take(&ports, &settings, space()).unwrap();
        turn.write(space().connection(), &["a", "b", "c"]);
        turn.commit().unwrap();
        relabel(&map, LAYOUT - 1);
        map
    }

    fn relabel(map: &Map, layout: u32) {
        let key = space().head();
        let mut head: serde_json::Value = serde_json::from_slice(&map.data.borrow()[&key]).unwrap();
        head["layout"] = layout.into();
        map.data.borrow_mut().insert(key, serde_json::to_vec(&head).unwrap());
    }

    /// A turn, whatever the layout.
    fn turn<'a>(ports: &'a Ports, settings: &'a Settings) -> Result<Turn<'a>, Error> {
        let queue = Queue::on(ports, settings, space(), crate::ledger::capabilities::batches(ports, settings)?);
        loop {
            if let Some(turn) = queue.wait(queue.ticket()?)? {
                return Ok(turn);
            }
        }
    }

    fn migrate(map: &Map) -> Result<usize, Error> {
        let (ports, settings) = (ports(map), settings());
        let mut pieces = 0;
        loop {
            let mut turn = turn(&ports, &settings)?;
            if !advance(&mut turn, &[SPLIT], LAYOUT)? {
                assert_eq!(turn.get(&space().connection())?, None);
                for (at, value) in [(0, "a"), (1, "b"), (2, "c")] {
                    assert_eq!(turn.read::<String>(&space().journal(at))?.as_deref(), Some(value));
                }
                turn.release()?;
                return Ok(pieces);
            }
            turn.commit()?;
            pieces += 1;
        }
    }

    #[test]
    fn an_earlier_layout_is_brought_forward_a_piece_at_a_time() {
        let map = old();
        assert_eq!(migrate(&map), Ok(3));
        assert_eq!(migrate(&map), Ok(0));
    }

    #[test]
    fn a_crash_between_any_two_pieces_costs_no_piece_twice() {
        for survived in 0..3 {
            let map = old();
            map.writes_left.set(survived);
            assert!(matches!(migrate(&map), Err(Error::Store(_))));
            map.writes_left.set(usize::MAX);
            assert_eq!(migrate(&map), Ok(3 - survived), "after {survived}");
        }
    }

    #[test]
    fn a_layout_that_no_step_starts_from_is_refused() {
        let (map, settings) = (old(), settings());
        let ports = ports(&map);
        let mut turn = turn(&ports, &settings).unwrap();
        let refused = advance(&mut turn, &[], LAYOUT).unwrap_err();
        let (known, found) = (LAYOUT, LAYOUT - 1);
        let expected =
            format!("t.abcdefghjk.head: expected layout {known} or an earlier one that is known, found {found}");
        assert_eq!(refused, Error::Corrupt(expected));
    }

    #[test]
    fn a_later_layout_is_refused_for_reading_and_for_writing() {
        let (map, settings) = (old(), settings());
        let ports = ports(&map);
        relabel(&map, LAYOUT + 1);
        let before = map.data.borrow().clone();
        assert_eq!(Head::read(&ports, &settings, &space()).unwrap_err(), Error::Later(LAYOUT + 1));
        assert_eq!(Turn::take(&ports, &settings, space()).err(), Some(Error::Later(LAYOUT + 1)));
        assert_eq!(*map.data.borrow(), before);
    }

    #[test]
    fn the_steps_of_this_version_lead_from_each_layout_to_the_next() {
        let from: Vec<u32> = STEPS.iter().map(|step| step.from).collect();
        assert_eq!(from, (1..LAYOUT).collect::<Vec<_>>());
    }
}
