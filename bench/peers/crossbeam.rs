// SPDX-License-Identifier: MIT
//! crossbeam-channel as a peer, from the sources of Debian's crate. Variants: "unbounded", "bounded" (of --slots
//! messages); what is sent stands in harness.rs. The threads, clock and checks are there, too.

mod harness;

use crossbeam_channel::{bounded, unbounded, Receiver, Sender};
use harness::{Inlet, Kind, Port};

struct Out<T>(Sender<T>);
struct In<T>(Receiver<T>);

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        Out(self.0.clone())
    }
}

impl<T: Send + 'static> Port<T> for Out<T> {
    #[inline]
    fn put(&self, item: T) {
        assert!(self.0.send(item).is_ok(), "receiver gone");
    }
}

impl<T: Send + 'static> Inlet<T> for In<T> {
    #[inline]
    fn take(&self) -> T {
        self.0.recv().expect("senders gone")
    }
}

struct Unbounded;
struct Bounded;

impl<T: Send + 'static> Kind<T> for Unbounded {
    type Port = Out<T>;
    type Inlet = In<T>;
    fn make(_room: usize) -> (Out<T>, In<T>) {
        let (port, inlet) = unbounded();
        (Out(port), In(inlet))
    }
}

impl<T: Send + 'static> Kind<T> for Bounded {
    type Port = Out<T>;
    type Inlet = In<T>;
    fn make(room: usize) -> (Out<T>, In<T>) {
        let (port, inlet) = bounded(room);
        (Out(port), In(inlet))
    }
}

fn main() {
    let work = harness::args();
    let name = format!("crossbeam-{}", work.variant);
    std::process::exit(match work.variant.as_str() {
        "unbounded" | "unbounded-array" => bench_work!(Unbounded, &name, &work),
        "bounded" | "bounded-array" => bench_work!(Bounded, &name, &work),
        _ => harness::UNSUPPORTED,
    })
}
