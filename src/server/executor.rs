//! Runs what answers the requests of HTTP/2 connections.
//!
//! Most answers are in memory: a task of its own for each would cost more than the answer, and so would waking
//! the connection again to send it. The first request that a connection reads at a time is therefore begun at
//! once, and is a task only if it has to wait. Those read together with it are tasks, whose answers are sent
//! together.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::rt::Executor;

thread_local! {
    /// Whether the connection that this thread polls has read no request yet.
    static IS_FIRST: Cell<bool> = const { Cell::new(false) };
}

/// Begins the first request of a connection where it was read, and spawns the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstAtOnce;

impl<F> Executor<F> for FirstAtOnce
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, answering: F) {
        if !IS_FIRST.replace(false) {
            tokio::spawn(answering);
            return;
        }
        // As in a task, a panic ends what panicked and not the connection.
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let mut answering = Box::pin(answering);
            let begun = answering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            begun.is_pending().then_some(answering)
        }));
        // Whatever it waits for wakes the task, which polls it again.
        if let Ok(Some(waiting)) = begun {
            tokio::spawn(waiting);
        }
    }
}

/// Polls a connection whose executor is [`FirstAtOnce`].
pub(super) fn poll<C: Future>(connection: Pin<&mut C>, context: &mut Context<'_>) -> Poll<C::Output> {
    IS_FIRST.set(true);
    let end = connection.poll(context);
    IS_FIRST.set(false);
    end
}
