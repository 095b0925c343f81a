// SPDX-License-Identifier: MIT
//! Rust's std::sync::mpsc as a peer. Variants: "channel" (unbounded), "sync" (sync_channel of --slots messages); what is
//! sent stands in harness.rs. The threads, clock and checks are there, too.

mod harness;

use harness::{Inlet, Kind, Port};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};

impl<T: Send + 'static> Port<T> for Sender<T> {
    #[inline]
    fn put(&self, item: T) {
        self.send(item).expect("receiver gone");
    }
}

impl<T: Send + 'static> Port<T> for SyncSender<T> {
    #[inline]
    fn put(&self, item: T) {
        self.send(item).expect("receiver gone");
    }
}

impl<T: Send + 'static> Inlet<T> for Receiver<T> {
    #[inline]
    fn take(&self) -> T {
        self.recv().expect("senders gone")
    }
}

struct Unbounded;
struct Bounded;

impl<T: Send + 'static> Kind<T> for Unbounded {
    type Port = Sender<T>;
    type Inlet = Receiver<T>;
    fn make(_room: usize) -> (Sender<T>, Receiver<T>) {
        channel()
    }
}

impl<T: Send + 'static> Kind<T> for Bounded {
    type Port = SyncSender<T>;
    type Inlet = Receiver<T>;
    fn make(room: usize) -> (SyncSender<T>, Receiver<T>) {
        sync_channel(room)
    }
}

fn main() {
    let work = harness::args();
    let name = format!("rust-std-{}", work.variant);
    std::process::exit(match work.variant.as_str() {
        "channel" | "channel-array" => bench_work!(Unbounded, &name, &work),
        "sync" | "sync-array" => bench_work!(Bounded, &name, &work),
        _ => harness::UNSUPPORTED,
    })
}
