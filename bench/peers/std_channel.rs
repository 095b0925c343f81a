// SPDX-License-Identifier: MIT
//! Rust's std::sync::mpsc as a peer: the same command line, threads, checks and result line as harness.c, in Rust and
//! without any crate, so that plain `rustc -O` builds it.
//!
//! Variants: "channel" (unbounded), "sync" (sync_channel of --slots messages). What is sent:
//!   8 bytes            a u64
//!   larger             Box<[u8]>: a copy on the heap, freed by the receiver, as for bytes of any length
//!   variants "...-array"  [u8; SIZE] by value, where the length is known when the program is compiled (100, 1024)
//!   batch > 1          the channels have no batches: a Vec of the batch's messages is one message, as a user does it
//!                      who wants speed; a sync channel then has room for --slots divided by the batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};
use std::sync::{Arc, Barrier};
use std::time::Instant;

const COUNTER_BITS: u32 = 48;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;
const SENDERS_MAX: usize = 64;
const UNSUPPORTED: i32 = 77;

#[derive(Clone)]
struct Work {
    work: String,
    variant: String,
    senders: u64,
    size: usize,
    batch: u64,
    slots: u64,
    messages: u64, // of one pass
    passes: u64,   // measured; one more goes before them
    pin: u64,
}

// ---- messages ----

/// A thing that carries one message of the work.
trait Message: Send + 'static {
    fn make(buffer: &[u8]) -> Self;
    fn bytes(&self) -> &[u8];
}

struct Word([u8; 8]);

impl Message for Word {
    fn make(buffer: &[u8]) -> Self {
        Word(buffer.try_into().unwrap())
    }
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Message for Box<[u8]> {
    fn make(buffer: &[u8]) -> Self {
        buffer.into()
    }
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> Message for [u8; N] {
    fn make(buffer: &[u8]) -> Self {
        buffer.try_into().unwrap()
    }
    fn bytes(&self) -> &[u8] {
        self
    }
}

fn value(sender: u64, counter: u64) -> u64 {
    sender << COUNTER_BITS | counter
}

fn fill(buffer: &mut [u8], value: u64) {
    let end = buffer.len() - 8;
    buffer[..8].copy_from_slice(&value.to_ne_bytes());
    buffer[end..].copy_from_slice(&value.to_ne_bytes());
}

struct Check {
    next: [u64; SENDERS_MAX],
    count: u64,
    sum: u64,
    errors: u64,
}

impl Check {
    #[inline]
    fn message(&mut self, message: &[u8], size: usize) {
        self.count += 1;
        if message.len() != size {
            self.errors += 1;
            return;
        }
        let front = u64::from_ne_bytes(message[..8].try_into().unwrap());
        let back = u64::from_ne_bytes(message[size - 8..].try_into().unwrap());
        let sender = (front >> COUNTER_BITS) as usize;
        self.sum = self.sum.wrapping_add(front);
        if front != back || sender >= SENDERS_MAX || self.next[sender] != front & COUNTER_MASK {
            self.errors += 1;
            return;
        }
        self.next[sender] += 1;
    }
}

// ---- the two channels ----

trait Port<T>: Clone + Send + 'static {
    fn put(&self, item: T);
}

impl<T: Send + 'static> Port<T> for Sender<T> {
    fn put(&self, item: T) {
        self.send(item).expect("receiver gone");
    }
}

impl<T: Send + 'static> Port<T> for SyncSender<T> {
    fn put(&self, item: T) {
        self.send(item).expect("receiver gone");
    }
}

/// Messages are made in groups, also where they go one by one; see BENCH_GROUP in bench.h.
const GROUP: u64 = 64;

fn group_fill(work: &Work, sender: u64, first: u64, group: &mut [u8]) {
    for (i, message) in group.chunks_exact_mut(work.size).enumerate() {
        fill(message, value(sender, first + i as u64));
    }
}

fn send_groups(work: &Work, most: u64, sender: u64, first: u64, count: u64, mut send: impl FnMut(&[u8])) {
    let mut buffer = vec![0u8; work.size * most as usize];
    let end = first + count;
    let mut counter = first;
    while counter < end {
        let some = most.min(end - counter);
        let group = &mut buffer[..some as usize * work.size];
        group_fill(work, sender, counter, group);
        send(group);
        counter += some;
    }
}

fn send_single<M: Message, P: Port<M>>(work: &Work, port: &P, sender: u64, first: u64, count: u64) {
    send_groups(work, GROUP, sender, first, count, |group| {
        for message in group.chunks_exact(work.size) {
            port.put(M::make(message));
        }
    });
}

fn send_batches<M: Message, P: Port<Vec<M>>>(work: &Work, port: &P, sender: u64, first: u64, count: u64) {
    send_groups(work, work.batch, sender, first, count, |group| {
        port.put(group.chunks_exact(work.size).map(M::make).collect());
    });
}

// ---- threads, clock, result ----

/// What glibc's sched_getaffinity() and sched_setaffinity() take: 1024 bits.
type CpuSet = [u64; 16];

extern "C" {
    fn sched_getaffinity(pid: i32, size: usize, set: *mut CpuSet) -> i32;
    fn sched_setaffinity(pid: i32, size: usize, set: *const CpuSet) -> i32;
    fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
}

const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;

fn cpus() -> Vec<usize> {
    let mut set: CpuSet = [0; 16];
    // SAFETY: the set lives and has the size that is passed.
    if unsafe { sched_getaffinity(0, std::mem::size_of::<CpuSet>(), &mut set) } < 0 {
        return Vec::new();
    }
    (0..1024).filter(|cpu| set[cpu / 64] >> (cpu % 64) & 1 == 1).collect()
}

/// The receiver has the last CPU for itself, the senders share the others in turn.
fn pin(work: &Work, cpus: &[usize], number: u64) {
    if work.pin == 0 || cpus.is_empty() {
        return;
    }
    let last = cpus.len() - 1;
    let chosen = if number == work.senders || last == 0 { last } else { number as usize % last };
    let mut set: CpuSet = [0; 16];
    set[cpus[chosen] / 64] |= 1 << (cpus[chosen] % 64);
    // SAFETY: as above; a failure leaves the thread where it is.
    unsafe { sched_setaffinity(0, std::mem::size_of::<CpuSet>(), &set) };
}

fn share(work: &Work, number: u64) -> u64 {
    work.messages / work.senders + u64::from(number < work.messages % work.senders)
}

fn sum_expected(work: &Work) -> u64 {
    let mut sum = 0u64;
    for sender in 0..work.senders {
        let count = share(work, sender) * (work.passes + 1);
        sum = sum.wrapping_add((sender << COUNTER_BITS).wrapping_mul(count));
        let even = count % 2 == 0;
        let half = if even { count / 2 * count.wrapping_sub(1) } else { (count - 1) / 2 * count };
        sum = sum.wrapping_add(half);
    }
    sum
}

/// User and system time of this process in seconds.
fn cpu_seconds() -> f64 {
    let mut time = [0i64; 2];
    // SAFETY: a timespec is two longs, which have 64 bits on the machines that this is built for.
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time[0] as f64 + time[1] as f64 / 1e9
}

struct Shared {
    start: Barrier,
    end: Barrier,
    origin: Instant,
    first_ns: AtomicU64, // when the first thread left the start barrier
}

impl Shared {
    fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

type SendAll<P> = fn(&Work, &P, u64, u64, u64);

fn sender_run<P>(work: Work, shared: Arc<Shared>, cpus: Vec<usize>, port: P, number: u64, send: SendAll<P>) {
    pin(&work, &cpus, number);
    let mut first = 0;
    let count = share(&work, number);
    for _ in 0..=work.passes {
        shared.start.wait();
        shared.first_ns.fetch_min(shared.now(), Ordering::Relaxed);
        send(&work, &port, number, first, count);
        first += count;
        shared.end.wait();
    }
}

/// Run both passes in all threads; the receiver is this thread. Returns the check, seconds and CPU seconds.
fn run<T, P, R>(work: &Work, port: P, send: SendAll<P>, mut receive: R) -> (Check, f64, f64)
where
    P: Port<T>,
    R: FnMut(&mut Check, u64),
{
    let threads = work.senders as usize + 1;
    let shared = Arc::new(Shared {
        start: Barrier::new(threads),
        end: Barrier::new(threads),
        origin: Instant::now(),
        first_ns: AtomicU64::new(u64::MAX),
    });
    let cpus = cpus();
    let mut handles = Vec::new();
    for number in 0..work.senders {
        let (work, shared, cpus, port) = (work.clone(), shared.clone(), cpus.clone(), port.clone());
        handles.push(std::thread::spawn(move || sender_run(work, shared, cpus, port, number, send)));
    }
    drop(port);
    pin(work, &cpus, work.senders);
    let mut check = Check { next: [0; SENDERS_MAX], count: 0, sum: 0, errors: 0 };
    let (mut wall_ns, mut cpu_before) = (0, 0.0);
    for pass in 0..=work.passes {
        if pass == 1 {
            cpu_before = cpu_seconds();
        }
        shared.first_ns.store(u64::MAX, Ordering::Relaxed);
        shared.start.wait();
        shared.first_ns.fetch_min(shared.now(), Ordering::Relaxed);
        receive(&mut check, work.messages);
        let end = shared.now();
        shared.end.wait();
        if pass > 0 {
            wall_ns += end - shared.first_ns.load(Ordering::Relaxed);
        }
    }
    let cpu = cpu_seconds() - cpu_before;
    for handle in handles {
        handle.join().unwrap();
    }
    (check, wall_ns as f64 / 1e9, cpu)
}

fn receive_single<M: Message>(receiver: Receiver<M>, size: usize) -> impl FnMut(&mut Check, u64) {
    move |check, count| {
        for _ in 0..count {
            check.message(receiver.recv().expect("senders gone").bytes(), size);
        }
    }
}

fn receive_batches<M: Message>(receiver: Receiver<Vec<M>>, size: usize) -> impl FnMut(&mut Check, u64) {
    move |check, mut count| {
        while count > 0 {
            let items = receiver.recv().expect("senders gone");
            count -= items.len() as u64;
            for item in &items {
                check.message(item.bytes(), size);
            }
        }
    }
}

fn run_message<M: Message>(work: &Work) -> (Check, f64, f64) {
    let bounded = work.variant.starts_with("sync");
    let slots = if work.slots == 0 { work.messages } else { work.slots };
    let room = slots.div_ceil(work.batch) as usize;
    match (bounded, work.batch) {
        (false, 1) => {
            let (port, receiver) = channel::<M>();
            run(work, port, send_single, receive_single(receiver, work.size))
        }
        (true, 1) => {
            let (port, receiver) = sync_channel::<M>(room);
            run(work, port, send_single, receive_single(receiver, work.size))
        }
        (false, _) => {
            let (port, receiver) = channel::<Vec<M>>();
            run(work, port, send_batches, receive_batches(receiver, work.size))
        }
        (true, _) => {
            let (port, receiver) = sync_channel::<Vec<M>>(room);
            run(work, port, send_batches, receive_batches(receiver, work.size))
        }
    }
}

// ---- command line ----

fn usage(what: &str) -> ! {
    eprintln!("bench-std: {what}");
    std::process::exit(2)
}

fn args() -> Work {
    let mut work = Work {
        work: "mem".into(),
        variant: "channel".into(),
        senders: 1,
        size: 8,
        batch: 1,
        slots: 0,
        messages: 500_000,
        passes: 5,
        pin: 1,
    };
    let args: Vec<String> = std::env::args().skip(1).collect();
    for pair in args.chunks(2) {
        let [name, text] = pair else { usage(&format!("'{}' needs a value", pair[0])) };
        let number = || text.parse::<u64>().unwrap_or_else(|_| usage(&format!("{name} needs a number, not '{text}'")));
        match name.as_str() {
            "--work" => work.work = text.clone(),
            "--variant" => work.variant = text.clone(),
            "--senders" => work.senders = number().clamp(1, SENDERS_MAX as u64),
            "--size" => work.size = number().max(8) as usize,
            "--batch" => work.batch = number().max(1),
            "--slots" => work.slots = number(),
            "--messages" => work.messages = number(),
            "--passes" => work.passes = number().max(1),
            "--pin" => work.pin = number(),
            "--data" | "--bytes" | "--memory" | "--level" | "--dir" | "--seed" => {}
            _ => usage(&format!("unknown option '{name}'")),
        }
    }
    work
}

fn main() {
    let work = args();
    let array = work.variant.ends_with("-array");
    if work.work != "mem" || (array && work.size != 100 && work.size != 1024) {
        std::process::exit(UNSUPPORTED);
    }
    let (check, seconds, cpu) = match (work.size, array) {
        (8, _) => run_message::<Word>(&work),
        (100, true) => run_message::<[u8; 100]>(&work),
        (_, true) => run_message::<[u8; 1024]>(&work),
        _ => run_message::<Box<[u8]>>(&work),
    };
    let ok = check.errors == 0 && check.count == work.messages * (work.passes + 1) && check.sum == sum_expected(&work);
    let messages = work.messages * work.passes;
    println!(
        "peer=rust-std-{} phase=mem messages={} bytes={} seconds={:.9} cpu={:.6} ok={}",
        work.variant,
        messages,
        messages * work.size as u64,
        seconds,
        cpu,
        u8::from(ok)
    );
    std::process::exit(if ok { 0 } else { 1 });
}
