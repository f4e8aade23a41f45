//! From one layout of the stored values to the next.
//!
//! The head of a space says which layout its values have. A space of an earlier one is brought forward by whoever first
//! takes a turn in it, a step at a time and each step a piece at a time: a piece and how far it came are one batch, so a
//! crash costs nothing, and a request that cannot wait for all pieces leaves the rest to the next. Nothing of a space is
//! read or written before that, see [`Rollcall::prepare`](crate::http::Rollcall). A space of a later layout is refused:
//! this version cannot know what its values mean.
//!
//! A field that may be missing is no new layout: values without it read as what they meant when they were written.

use super::head::HeadState;
use super::{Error, Read as _, Turn};

/// The layout of all stored values. A space of a later layout is refused, one of an earlier layout migrated, see `layout`.
pub const LAYOUT: u32 = 4;

/// What brings a space from one layout to the next.
pub struct Migration<S: HeadState> {
    /// The layout that it starts from.
    pub(crate) from: u32,
    /// Stages one piece, from where the piece before ended, and says where it ended itself; nothing after the last one. A
    /// piece stays well within [`HOLD`](super::HOLD), and may be staged again from values that it has changed already.
    pub(crate) piece: Piece<S>,
}

/// See [`Migration`].
type Piece<S> = fn(&mut Turn<'_, S>, Option<String>) -> Result<Option<String>, Error>;

impl<S: HeadState> Migration<S> {
    /// A step without anything to rewrite. Its number only keeps a version away that cannot read what the next one writes.
    pub(crate) const fn without_pieces(from: u32) -> Migration<S> {
        Migration { from, piece: |_, _| Ok(None) }
    }
}

/// A state whose space can be brought forward from earlier layouts.
pub trait Migrate: HeadState + 'static {
    /// A step for each layout before [`LAYOUT`].
    const STEPS: &'static [Migration<Self>];
}

/// Stages the next piece, if the space is of an earlier layout. The caller commits it and takes the next turn.
pub(super) fn advance<S: HeadState>(turn: &mut Turn<'_, S>, steps: &[Migration<S>], to: u32) -> Result<bool, Error> {
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
    use super::super::{Ledger, Memory, Queue, capabilities};
    use super::*;
    use crate::keys::{Space, TenantId};
    use crate::ledger::Head;
    use crate::ports::Ports;
    use crate::settings::Settings;
    use crate::testing::World;

    /// A step with three pieces, to this version's layout from one that never was: each value of a list becomes a key of
    /// its own.
    const SPLIT: Migration<()> = Migration {
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

    impl Migrate for () {
        const STEPS: &'static [Migration<()>] = &[SPLIT];
    }

    /// An instance in a world.
    struct Instance {
        ports: Ports,
        settings: Settings,
        memory: Memory,
    }

    impl Instance {
        fn of(world: &World) -> Instance {
            Instance { ports: world.ports(), settings: World::settings(), memory: Memory::default() }
        }

        fn ledger(&self) -> Ledger<'_> {
            Ledger { ports: &self.ports, settings: &self.settings, memory: &self.memory }
        }
    }

    fn space() -> Space {
        Space::tenant(&TenantId::parse("abcdefghjk").unwrap())
    }

    /// A store of that layout.
    fn old() -> World {
        let world = World::default();
        let instance = Instance::of(&world);
        let mut turn = Turn::<()>::take(instance.ledger(), space()).unwrap();
        turn.write(space().connection(), &["a", "b", "c"]);
        turn.commit().unwrap();
        relabel(&world, LAYOUT - 1);
        world
    }

    fn relabel(world: &World, layout: u32) {
        let key = space().head();
        let mut head: serde_json::Value = serde_json::from_slice(&world.store.contents()[&key]).unwrap();
        head["layout"] = layout.into();
        world.store.plant(&key, Some(serde_json::to_vec(&head).unwrap()));
    }

    /// A turn, whatever the layout.
    fn turn(instance: &Instance) -> Result<Turn<'_, ()>, Error> {
        let ledger = instance.ledger();
        let queue = Queue::on(ledger, space(), capabilities::batches(ledger)?);
        loop {
            if let Some(turn) = queue.wait(queue.ticket()?)? {
                return Ok(turn);
            }
        }
    }

    fn migrate(world: &World) -> Result<usize, Error> {
        let instance = Instance::of(world);
        let mut pieces = 0;
        loop {
            let mut turn = turn(&instance)?;
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
        let world = old();
        assert_eq!(migrate(&world), Ok(3));
        assert_eq!(migrate(&world), Ok(0));
    }

    #[test]
    fn a_crash_between_any_two_pieces_costs_no_piece_twice() {
        for survived in 0..3 {
            let world = old();
            world.store.take_batches(Some(survived));
            assert!(matches!(migrate(&world), Err(Error::Store(_))));
            world.store.take_batches(None);
            assert_eq!(migrate(&world), Ok(3 - survived), "after {survived}");
        }
    }

    #[test]
    fn a_layout_that_no_step_starts_from_is_refused() {
        let world = old();
        let instance = Instance::of(&world);
        let mut turn = turn(&instance).unwrap();
        let refused = advance(&mut turn, &[], LAYOUT).unwrap_err();
        let (known, found) = (LAYOUT, LAYOUT - 1);
        let expected =
            format!("t.abcdefghjk.head: expected layout {known} or an earlier one that is known, found {found}");
        assert_eq!(refused, Error::Corrupt(expected));
    }

    #[test]
    fn a_later_layout_is_refused_for_reading_and_for_writing() {
        let world = old();
        let instance = Instance::of(&world);
        relabel(&world, LAYOUT + 1);
        let before = world.store.contents();
        assert_eq!(Head::<()>::read(instance.ledger(), &space()).unwrap_err(), Error::Later(LAYOUT + 1));
        assert_eq!(Turn::<()>::take(instance.ledger(), space()).err(), Some(Error::Later(LAYOUT + 1)));
        assert_eq!(world.store.contents(), before);
    }
}
