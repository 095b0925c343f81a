// SPDX-License-Identifier: MIT
//! What harness.c is for peers in C, for those in Rust: the same command line, threads, checks and result line, without
//! any crate, so that plain `rustc -O` builds it. A peer is a program with `mod harness;` and a `Kind` for each channel.
//!
//! What is sent:
//!   8 bytes            a u64
//!   larger, or a mix   Box<[u8]>: a copy on the heap, freed by the receiver, as for bytes of any length
//!   variants "...-array"  [u8; SIZE] by value, where the length is known when the program is compiled (100, 1024)
//!   batch > 1          the channels have no batches: a Vec of the batch's messages is one message, as a user does it
//!                      who wants speed; a bounded channel then has room for --slots divided by the batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

const COUNTER_BITS: u32 = 48;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;
const SENDERS_MAX: usize = 64;
pub const UNSUPPORTED: i32 = 77;

#[derive(Clone)]
pub struct Work {
    pub work: String,
    pub variant: String,
    pub senders: u64,
    pub size: usize, // the largest, where they are a mix
    pub mix: bool,
    pub batch: u64,
    pub slots: u64,
    pub messages: u64, // of one pass
    pub passes: u64,   // measured; one more goes before them
    pub pin: u64,
}

// ---- channels

pub trait Port<T>: Clone + Send + 'static {
    fn put(&self, item: T);
}

pub trait Inlet<T>: Send + 'static {
    fn take(&self) -> T;
}

/// A kind of channel: how to make one for items of a type. A bounded one has ROOM for so many.
pub trait Kind<T> {
    type Port: Port<T>;
    type Inlet: Inlet<T>;
    fn make(room: usize) -> (Self::Port, Self::Inlet);
}

// ---- messages

/// A thing that carries one message of the work.
pub trait Message: Send + 'static {
    fn make(buffer: &[u8]) -> Self;
    fn bytes(&self) -> &[u8];
}

pub struct Word([u8; 8]);

impl Message for Word {
    #[inline]
    fn make(buffer: &[u8]) -> Self {
        Word(buffer.try_into().unwrap())
    }
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Message for Box<[u8]> {
    #[inline]
    fn make(buffer: &[u8]) -> Self {
        buffer.into()
    }
    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl<const N: usize> Message for [u8; N] {
    #[inline]
    fn make(buffer: &[u8]) -> Self {
        buffer.try_into().unwrap()
    }
    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// As in bench.h.
const MIX_MAX: usize = 4096;
const MIX: [u16; 64] = [
    16, 24, 24, 32, 32, 40, 40, 48, 52, 56, 60, 64, 68, 72, 76, 80,
    84, 88, 92, 96, 100, 104, 110, 116, 122, 128, 134, 140, 147, 154, 160, 166,
    172, 178, 185, 190, 196, 201, 207, 212, 218, 223, 229, 235, 242, 249, 257, 266,
    280, 298, 316, 337, 360, 388, 420, 460, 510, 570, 650, 760, 900, 1300, 2048, 4096,
];

fn size_of(work: &Work, value: u64) -> usize {
    if !work.mix {
        return work.size;
    }
    let mixed = value.wrapping_add(1).wrapping_mul(0x9e3779b97f4a7c15);
    MIX[((mixed ^ mixed >> 29).wrapping_mul(0xbf58476d1ce4e5b9) >> 58) as usize] as usize
}

fn value(sender: u64, counter: u64) -> u64 {
    sender << COUNTER_BITS | counter
}

fn fill(buffer: &mut [u8], value: u64) {
    let end = buffer.len() - 8;
    buffer[..8].copy_from_slice(&value.to_ne_bytes());
    buffer[end..].copy_from_slice(&value.to_ne_bytes());
}

pub struct Check {
    next: [u64; SENDERS_MAX],
    count: u64,
    sum: u64,
    bytes: u64,
    errors: u64,
}

impl Check {
    fn new() -> Check {
        Check { next: [0; SENDERS_MAX], count: 0, sum: 0, bytes: 0, errors: 0 }
    }

    #[inline]
    fn message(&mut self, work: &Work, message: &[u8]) {
        self.count += 1;
        let len = message.len();
        if len < 8 {
            self.errors += 1;
            return;
        }
        let front = u64::from_ne_bytes(message[..8].try_into().unwrap());
        let back = u64::from_ne_bytes(message[len - 8..].try_into().unwrap());
        let sender = (front >> COUNTER_BITS) as usize;
        self.bytes += len as u64;
        self.sum = self.sum.wrapping_add(front);
        let is_right = len == size_of(work, front) && front == back && sender < SENDERS_MAX;
        if !is_right || self.next[sender] != front & COUNTER_MASK {
            self.errors += 1;
            return;
        }
        self.next[sender] += 1;
    }
}

// ---- sending and receiving

/// Messages are made in groups, also where they go one by one; see BENCH_GROUP in bench.h.
const GROUP: u64 = 64;

/// A group's messages, one after the other, and where each ends.
struct Group {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Group {
    fn fill(&mut self, work: &Work, sender: u64, first: u64, count: u64) {
        let mut at = 0;
        self.ends.clear();
        for i in 0..count {
            let value = value(sender, first + i);
            let size = size_of(work, value);
            fill(&mut self.bytes[at..at + size], value);
            at += size;
            self.ends.push(at);
        }
    }

    fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        self.ends.iter().map(move |&end| {
            let message = &self.bytes[at..end];
            at = end;
            message
        })
    }
}

fn send_groups(work: &Work, most: u64, sender: u64, first: u64, count: u64, mut send: impl FnMut(&Group)) {
    let mut group = Group { bytes: vec![0u8; work.size * most as usize], ends: Vec::with_capacity(most as usize) };
    let end = first + count;
    let mut counter = first;
    while counter < end {
        let some = most.min(end - counter);
        group.fill(work, sender, counter, some);
        send(&group);
        counter += some;
    }
}

fn send_single<M: Message, P: Port<M>>(work: &Work, port: &P, sender: u64, first: u64, count: u64) {
    send_groups(work, GROUP, sender, first, count, |group| {
        for message in group.messages() {
            port.put(M::make(message));
        }
    });
}

fn send_batches<M: Message, P: Port<Vec<M>>>(work: &Work, port: &P, sender: u64, first: u64, count: u64) {
    send_groups(work, work.batch, sender, first, count, |group| {
        port.put(group.messages().map(M::make).collect());
    });
}

fn receive_single<M: Message, I: Inlet<M>>(work: &Work, inlet: I) -> impl FnMut(&mut Check, u64) {
    let work = work.clone();
    move |check, count| {
        for _ in 0..count {
            check.message(&work, inlet.take().bytes());
        }
    }
}

fn receive_batches<M: Message, I: Inlet<Vec<M>>>(work: &Work, inlet: I) -> impl FnMut(&mut Check, u64) {
    let work = work.clone();
    move |check, mut count| {
        while count > 0 {
            let items = inlet.take();
            count -= items.len() as u64;
            for item in &items {
                check.message(&work, item.bytes());
            }
        }
    }
}

// ---- threads, clock, result

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

/// Run all passes in all threads; the receiver is this thread. Prints the result line; returns the exit status.
fn run<T, P, R>(name: &str, work: &Work, port: P, send: SendAll<P>, mut receive: R) -> i32
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
    let mut check = Check::new();
    let (mut wall_ns, mut cpu_before, mut bytes_before) = (0, 0.0, 0);
    for pass in 0..=work.passes {
        if pass == 1 {
            cpu_before = cpu_seconds();
            bytes_before = check.bytes;
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
    let ok = check.errors == 0 && check.count == work.messages * (work.passes + 1) && check.sum == sum_expected(work);
    println!(
        "peer={} phase=mem messages={} bytes={} seconds={:.9} cpu={:.6} ok={}",
        name,
        work.messages * work.passes,
        check.bytes - bytes_before,
        wall_ns as f64 / 1e9,
        cpu,
        u8::from(ok)
    );
    i32::from(!ok)
}

/// The wake work: see wake.c.
pub fn wake<K: Kind<Word>>(name: &str, work: &Work) -> i32 {
    const GAP: Duration = Duration::from_micros(400);
    let count = work.messages * (work.passes + 1);
    let (port, inlet) = K::make(work.messages as usize);
    let origin = Instant::now();
    let stamp = Arc::new(AtomicU64::new(0)); // when the message that is on its way was sent
    let received = Arc::new(AtomicU64::new(0));
    let results = Arc::new(Mutex::new((Check::new(), Vec::with_capacity(count as usize))));
    let cpus = cpus();
    let receiver = {
        let (work, cpus, stamp) = (work.clone(), cpus.clone(), stamp.clone());
        let (received, results) = (received.clone(), results.clone());
        std::thread::spawn(move || {
            pin(&work, &cpus, work.senders);
            let mut results = results.lock().unwrap();
            for i in 0..count {
                let item = inlet.take();
                let took = origin.elapsed().as_nanos() as u64 - stamp.load(Ordering::Acquire);
                results.0.message(&work, item.bytes());
                results.1.push(took);
                received.store(i + 1, Ordering::Release);
            }
        })
    };
    pin(work, &cpus, 0);
    for i in 0..count {
        while received.load(Ordering::Acquire) != i {
            std::thread::sleep(GAP);
        }
        std::thread::sleep(GAP);
        let mut buffer = [0u8; 8];
        fill(&mut buffer, value(0, i));
        stamp.store(origin.elapsed().as_nanos() as u64, Ordering::Release);
        port.put(Word::make(&buffer));
    }
    receiver.join().unwrap();
    let wall = origin.elapsed().as_secs_f64() * work.passes as f64 / (work.passes + 1) as f64;
    let results = results.lock().unwrap();
    let check = &results.0;
    let ok = check.errors == 0 && check.count == count && check.sum == count * (count - 1) / 2;
    wake_print(name, &results.1[work.messages as usize..], wall, ok);
    i32::from(!ok)
}

fn wake_print(name: &str, took: &[u64], wall: f64, ok: bool) {
    let mut took = took.to_vec();
    took.sort_unstable();
    let points = [
        ("p1", 0.01), ("p10", 0.1), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95),
        ("p99", 0.99), ("p999", 0.999),
    ];
    print!(
        "peer={} phase=latency messages={} bytes={} seconds={:.9} cpu={:.6} ok={} wall={:.6}",
        name,
        took.len(),
        took.len() * 8,
        took[took.len() / 2] as f64 / 1e9,
        cpu_seconds(),
        u8::from(ok),
        wall
    );
    for (point, share) in points {
        print!(" {}_us={:.3}", point, took[(took.len() as f64 * share) as usize] as f64 / 1e3);
    }
    println!(" max_us={:.3}", took[took.len() - 1] as f64 / 1e3);
}

/// The mem work with messages of one type.
pub fn mem<M: Message, K: Kind<M> + Kind<Vec<M>>>(name: &str, work: &Work) -> i32 {
    let slots = if work.slots == 0 { work.messages } else { work.slots };
    let room = ((slots + work.batch - 1) / work.batch) as usize;
    if work.batch == 1 {
        let (port, inlet) = <K as Kind<M>>::make(room);
        run(name, work, port, send_single, receive_single(work, inlet))
    } else {
        let (port, inlet) = <K as Kind<Vec<M>>>::make(room);
        run(name, work, port, send_batches, receive_batches(work, inlet))
    }
}

/// The work with one kind of channel, by what is to be sent: an exit status.
#[macro_export]
macro_rules! bench_work {
    ($kind:ty, $name:expr, $work:expr) => {{
        let (name, work): (&str, &$crate::harness::Work) = ($name, $work);
        let array = work.variant.ends_with("-array");
        match (work.work.as_str(), work.size, array, work.mix) {
            ("wake", 8, false, _) => $crate::harness::wake::<$kind>(name, work),
            ("mem", 8, false, _) => $crate::harness::mem::<$crate::harness::Word, $kind>(name, work),
            ("mem", _, false, _) => $crate::harness::mem::<Box<[u8]>, $kind>(name, work),
            ("mem", 100, true, false) => $crate::harness::mem::<[u8; 100], $kind>(name, work),
            ("mem", 1024, true, false) => $crate::harness::mem::<[u8; 1024], $kind>(name, work),
            _ => $crate::harness::UNSUPPORTED,
        }
    }};
}

// ---- command line

fn usage(what: &str) -> ! {
    eprintln!("bench: {what}");
    std::process::exit(2)
}

pub fn args() -> Work {
    let mut work = Work {
        work: "mem".into(),
        variant: "channel".into(),
        senders: 1,
        size: 8,
        mix: false,
        batch: 1,
        slots: 0,
        messages: 500_000,
        passes: 5,
        pin: 1,
    };
    let args: Vec<String> = std::env::args().skip(1).collect();
    for pair in args.chunks(2) {
        let (name, text) = match pair {
            [name, text] => (name, text),
            _ => usage(&format!("'{}' needs a value", pair[0])),
        };
        let number = || text.parse::<u64>().unwrap_or_else(|_| usage(&format!("{name} needs a number, not '{text}'")));
        match name.as_str() {
            "--work" => work.work = text.clone(),
            "--variant" => work.variant = text.clone(),
            "--senders" => work.senders = number().clamp(1, SENDERS_MAX as u64),
            "--size" => {
                work.mix = text == "mix";
                work.size = if work.mix { MIX_MAX } else { number().max(8) as usize };
            }
            "--batch" => work.batch = number().max(1),
            "--slots" => work.slots = number(),
            "--messages" => work.messages = number().max(1),
            "--passes" => work.passes = number().max(1),
            "--pin" => work.pin = number(),
            "--data" | "--bytes" | "--memory" | "--level" | "--dir" | "--seed" | "--survive" | "--cpus" => {}
            "--compress-threads" | "--decompress-threads" | "--work-passes" => {}
            _ => usage(&format!("unknown option '{name}'")),
        }
    }
    work
}
