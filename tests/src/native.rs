//! The core itself, as one instance over a model of the store.

use crate::run::Server;
use crate::world::World;
use http::{Request, Response};
use rollcall_core::http::{Body, Rollcall};
use std::collections::BTreeMap;
use std::time::Duration;

/// One instance and its world.
pub struct Native {
    /// The world that it is in.
    pub world: World,
    /// The instance.
    pub rollcall: Rollcall,
}

impl Native {
    /// An instance in a new world.
    pub fn new(variables: &BTreeMap<String, String>) -> Native {
        Native::within(&World::new(variables))
    }

    /// A further instance in a world.
    pub fn within(world: &World) -> Native {
        Native { world: world.clone(), rollcall: world.instance() }
    }
}

impl Native {
    /// What the component does while records wait. Answers how long they may wait on.
    pub fn look(&self) -> Option<Duration> {
        let patience = self.rollcall.patience();
        if patience.is_none() {
            self.rollcall.flush();
        }
        patience.filter(|_| self.rollcall.has_buffered())
    }
}

impl Server for Native {
    fn answer(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let (head, body) = self.rollcall.handle(request).into_parts();
        let bytes = match body {
            Body::Full(bytes) => bytes,
            Body::Stream(mut stream) => {
                std::iter::from_fn(|| self.rollcall.next_chunk(&mut stream)).flatten().collect()
            }
        };
        // What the component does a moment after its answer.
        self.rollcall.flush();
        Response::from_parts(head, bytes)
    }

    fn pass(&mut self, duration: Duration) {
        self.world.time.pass(duration);
    }
}
