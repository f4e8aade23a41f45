//! The memory of all instances together.
//!
//! Growth that is refused ends an instance, with all that it has. So what an instance usually needs is set aside before it
//! is made, and where that is not there requests wait for one that exists. Only what one request needs beyond is asked for
//! when it is needed, and can be refused.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits::INSTANCE_BYTES_USUAL;

/// The memory that there is.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Total>);

struct Total {
    bound: usize,
    used: Mutex<usize>,
}

/// What belongs to one instance, until it is released.
#[derive(Clone)]
pub(crate) struct Reserved {
    total: Arc<Total>,
    own: Arc<Mutex<Own>>,
}

struct Own {
    /// What its linear memories have.
    taken: usize,
    /// What counts as used: that, or what is set aside.
    charged: usize,
}

impl Memory {
    pub(crate) fn new(bound: usize) -> Self {
        Self(Arc::new(Total { bound, used: Mutex::new(0) }))
    }

    /// Sets aside what an instance usually needs; nothing where it is not there.
    pub(crate) fn reserve(&self) -> Option<Reserved> {
        let charged = INSTANCE_BYTES_USUAL;
        self.0
            .take(charged)
            .then(|| Reserved { total: self.0.clone(), own: Arc::new(Mutex::new(Own { taken: 0, charged })) })
    }

    /// For how many more instances there is memory.
    pub(crate) fn left(&self) -> usize {
        self.0.bound.saturating_sub(*self.0.used.lock()) / INSTANCE_BYTES_USUAL
    }
}

impl Total {
    fn take(&self, bytes: usize) -> bool {
        let mut used = self.used.lock();
        let fits = self.bound.saturating_sub(*used) >= bytes;
        if fits {
            *used += bytes;
        }
        fits
    }
}

impl Reserved {
    /// Whether a linear memory may grow by so many bytes.
    pub(crate) fn grow(&self, bytes: usize) -> bool {
        let mut own = self.own.lock();
        let taken = own.taken.saturating_add(bytes);
        let more = taken.saturating_sub(own.charged);
        let fits = self.total.take(more);
        if fits {
            own.taken = taken;
            own.charged += more;
        }
        fits
    }

    /// Whether the instance has more than instances usually need.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.own.lock().taken > INSTANCE_BYTES_USUAL
    }

    /// The instance is gone.
    pub(crate) fn release(&self) {
        let mut own = self.own.lock();
        *self.total.used.lock() -= own.charged;
        *own = Own { taken: 0, charged: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 4 * INSTANCE_BYTES_USUAL;

    #[test]
    fn instances_are_made_as_long_as_there_is_memory_for_what_they_usually_need() {
        let memory = Memory::new(MANY);
        let all: Vec<_> = std::iter::from_fn(|| memory.reserve()).collect();
        assert_eq!((all.len(), memory.left()), (4, 0));
        all[0].release();
        assert_eq!(memory.left(), 1);
        assert!(memory.reserve().is_some());
    }

    #[test]
    fn an_instance_grows_as_long_as_there_is_memory() {
        let memory = Memory::new(MANY);
        let (one, other) = (memory.reserve().unwrap(), memory.reserve().unwrap());
        assert!(one.grow(INSTANCE_BYTES_USUAL) && !one.is_exceeded());
        assert_eq!(memory.left(), 2, "that was set aside");
        assert!(one.grow(2 * INSTANCE_BYTES_USUAL) && one.is_exceeded());
        assert!(!one.grow(1), "beyond the bound");
        assert!(other.grow(INSTANCE_BYTES_USUAL), "what was set aside for the other is there");
        one.release();
        assert_eq!(memory.left(), 3);
    }
}
