//! What an audit looks at: the store as it is, or as it is within a turn.

use crate::keys::Space;
use crate::ledger::{Error, Read};
use crate::ports::KeyPage;
use crate::tenant::state::{TenantHead, TenantTurn, TenantView};
use std::time::Duration;

/// What an audit looks at.
pub(crate) enum Scene<'s, 'a> {
    /// The store as it is, while others may change it.
    View(&'s TenantView<'a>, Box<TenantHead>),
    /// The store within a turn, so that nobody else changes it.
    Still(&'s TenantTurn<'a>),
    /// The store within a turn in which what differs is mended.
    Mended(&'s mut TenantTurn<'a>),
}

impl<'a> Scene<'_, 'a> {
    pub(super) fn mends(&self) -> bool {
        matches!(self, Scene::Mended(_))
    }

    /// The turn in which whatever differs is mended.
    pub(super) fn turn(&mut self) -> Option<&mut TenantTurn<'a>> {
        match self {
            Scene::Mended(turn) => Some(turn),
            Scene::View(..) | Scene::Still(_) => None,
        }
    }

    pub(super) fn head(&self) -> &TenantHead {
        match self {
            Scene::View(_, head) => head,
            Scene::Still(turn) => &turn.head,
            Scene::Mended(turn) => &turn.head,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        match self {
            Scene::View(view, _) => view.elapsed(),
            Scene::Still(turn) => turn.elapsed(),
            Scene::Mended(turn) => turn.elapsed(),
        }
    }

    /// A page of keys; nothing where the store has too many to list them.
    pub(super) fn keys(&self, cursor: Option<&str>) -> Result<Option<KeyPage>, Error> {
        match self {
            Scene::View(view, _) => view.keys(cursor),
            Scene::Still(turn) => turn.keys(cursor),
            Scene::Mended(turn) => turn.keys(cursor),
        }
    }
}

impl Read for Scene<'_, '_> {
    fn space(&self) -> &Space {
        match self {
            Scene::View(view, _) => view.space(),
            Scene::Still(turn) => turn.space(),
            Scene::Mended(turn) => turn.space(),
        }
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Scene::View(view, _) => view.get(key),
            Scene::Still(turn) => turn.get(key),
            Scene::Mended(turn) => turn.get(key),
        }
    }
}
