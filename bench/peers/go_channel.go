// SPDX-License-Identifier: MIT

// Go's channels as a peer: the same command line, checks and result line as harness.c. Senders and the receiver are
// goroutines, on all CPUs, not pinned: to bind them to threads would cost them what they are good at. The channel has
// room for --slots messages.
//
// What is sent: 8 bytes: a uint64; more, or a mix: a []byte, copied to the heap; variant "array": [100]byte or [1024]byte
// by value. Batches: the messages of one as a slice, as a user does it who wants speed. The collector runs when the heap
// has grown to five times what is in use (GOGC=400), which costs memory and saves time.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	counterBits = 48
	counterMask = 1<<counterBits - 1
	sendersMax  = 64
	groupMax    = 64 // see BENCH_GROUP in bench.h
	mixMax      = 4096
	unsupported = 77
)

type work struct {
	work, variant           string
	senders, size, batch    int
	mix                     bool
	slots, messages, passes uint64
}

// As in bench.h.
var mixSizes = [64]uint16{
	16, 24, 24, 32, 32, 40, 40, 48, 52, 56, 60, 64, 68, 72, 76, 80,
	84, 88, 92, 96, 100, 104, 110, 116, 122, 128, 134, 140, 147, 154, 160, 166,
	172, 178, 185, 190, 196, 201, 207, 212, 218, 223, 229, 235, 242, 249, 257, 266,
	280, 298, 316, 337, 360, 388, 420, 460, 510, 570, 650, 760, 900, 1300, 2048, 4096,
}

func (w *work) sizeOf(value uint64) int {
	if !w.mix {
		return w.size
	}
	mixed := (value + 1) * 0x9e3779b97f4a7c15
	return int(mixSizes[(mixed^mixed>>29)*0xbf58476d1ce4e5b9>>58])
}

// What sender NUMBER sends in one pass.
func (w *work) share(number int) uint64 {
	share := w.messages / uint64(w.senders)
	if uint64(number) < w.messages%uint64(w.senders) {
		share++
	}
	return share
}

func (w *work) sumExpected() uint64 {
	sum := uint64(0)
	for i := 0; i < w.senders; i++ {
		count := w.share(i) * (w.passes + 1)
		sum += uint64(i) << counterBits * count
		if count%2 == 0 {
			sum += count / 2 * (count - 1)
		} else {
			sum += (count - 1) / 2 * count
		}
	}
	return sum
}

// ---- what the receiver saw

type check struct {
	next                      [sendersMax]uint64
	count, sum, bytes, errors uint64
}

func (c *check) value(value uint64) {
	sender := value >> counterBits
	c.count++
	c.sum += value
	if sender >= sendersMax || c.next[sender] != value&counterMask {
		c.errors++
		return
	}
	c.next[sender]++
}

func (c *check) message(w *work, message []byte) {
	if len(message) < 8 {
		c.count++
		c.errors++
		return
	}
	front := binary.LittleEndian.Uint64(message)
	back := binary.LittleEndian.Uint64(message[len(message)-8:])
	c.bytes += uint64(len(message))
	if front != back || len(message) != w.sizeOf(front) {
		c.errors++
	}
	c.value(front)
}

func fill(message []byte, value uint64) {
	binary.LittleEndian.PutUint64(message, value)
	binary.LittleEndian.PutUint64(message[len(message)-8:], value)
}

// ---- what goes through a channel

// A channel of items: how one is made of a message, and looked at.
type kind[T any] struct {
	make func(message []byte) T
	take func(w *work, c *check, item *T)
}

var words = kind[uint64]{
	make: func(message []byte) uint64 { return binary.LittleEndian.Uint64(message) },
	take: func(w *work, c *check, item *uint64) { c.bytes += 8; c.value(*item) },
}

var slices = kind[[]byte]{
	make: func(message []byte) []byte { return append([]byte(nil), message...) },
	take: func(w *work, c *check, item *[]byte) { c.message(w, *item) },
}

var shortArrays = kind[[100]byte]{
	make: func(message []byte) (a [100]byte) { copy(a[:], message); return },
	take: func(w *work, c *check, item *[100]byte) { c.message(w, item[:]) },
}

var longArrays = kind[[1024]byte]{
	make: func(message []byte) (a [1024]byte) { copy(a[:], message); return },
	take: func(w *work, c *check, item *[1024]byte) { c.message(w, item[:]) },
}

// Call SEND with each message of the sender, made in groups.
func eachMessage(w *work, sender int, first, count uint64, most int, send func(group []byte, ends []int)) {
	group := make([]byte, most*w.size)
	ends := make([]int, 0, most)
	for count > 0 {
		some := uint64(most)
		if count < some {
			some = count
		}
		at := 0
		ends = ends[:0]
		for i := uint64(0); i < some; i++ {
			value := uint64(sender)<<counterBits | (first + i)
			size := w.sizeOf(value)
			fill(group[at:at+size], value)
			at += size
			ends = append(ends, at)
		}
		send(group, ends)
		first += some
		count -= some
	}
}

// ---- threads and clock

var origin = time.Now()

func now() int64 { return int64(time.Since(origin)) }

func cpuSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}

// Run all passes: SEND in each sender's goroutine, RECEIVE here. Returns the exit status.
func run(w *work, name string, send func(sender int, first, count uint64), receive func(c *check, count uint64)) int {
	var c check
	var wall int64
	var cpu float64
	var bytes uint64
	for pass := uint64(0); pass <= w.passes; pass++ {
		if pass == 1 {
			cpu = cpuSeconds()
			bytes = c.bytes
		}
		var ready, done sync.WaitGroup
		start := make(chan struct{})
		first := int64(1<<63 - 1)
		for i := 0; i < w.senders; i++ {
			ready.Add(1)
			done.Add(1)
			go func(sender int) {
				ready.Done()
				<-start
				for at := now(); ; {
					seen := atomic.LoadInt64(&first)
					if at >= seen || atomic.CompareAndSwapInt64(&first, seen, at) {
						break
					}
				}
				send(sender, w.share(sender)*pass, w.share(sender))
				done.Done()
			}(i)
		}
		ready.Wait()
		close(start)
		receive(&c, w.messages)
		end := now()
		done.Wait()
		if pass > 0 {
			wall += end - first
		}
	}
	ok := 0
	if c.errors == 0 && c.count == w.messages*(w.passes+1) && c.sum == w.sumExpected() {
		ok = 1
	}
	fmt.Printf("peer=%s phase=mem messages=%d bytes=%d seconds=%.9f cpu=%.6f ok=%d\n", name, w.messages*w.passes,
		c.bytes-bytes, float64(wall)/1e9, cpuSeconds()-cpu, ok)
	return 1 - ok
}

func mem[T any](w *work, name string, k kind[T]) int {
	slots := w.slots
	if slots == 0 {
		slots = w.messages
	}
	if w.batch == 1 {
		channel := make(chan T, slots)
		return run(w, name, func(sender int, first, count uint64) {
			eachMessage(w, sender, first, count, groupMax, func(group []byte, ends []int) {
				at := 0
				for _, end := range ends {
					channel <- k.make(group[at:end])
					at = end
				}
			})
		}, func(c *check, count uint64) {
			for ; count > 0; count-- {
				item := <-channel
				k.take(w, c, &item)
			}
		})
	}
	channel := make(chan []T, (slots+uint64(w.batch)-1)/uint64(w.batch))
	return run(w, name, func(sender int, first, count uint64) {
		eachMessage(w, sender, first, count, w.batch, func(group []byte, ends []int) {
			items := make([]T, len(ends))
			at := 0
			for i, end := range ends {
				items[i] = k.make(group[at:end])
				at = end
			}
			channel <- items
		})
	}, func(c *check, count uint64) {
		for count > 0 {
			items := <-channel
			for i := range items {
				k.take(w, c, &items[i])
			}
			count -= uint64(len(items))
		}
	})
}

// The wake work: see wake.c.
func wake(w *work, name string) int {
	const gap = 400 * time.Microsecond
	count := w.messages * (w.passes + 1)
	channel := make(chan uint64, 1)
	took := make([]int64, 0, count)
	var c check
	var stamp int64
	var received uint64
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		for i := uint64(0); i < count; i++ {
			value := <-channel
			took = append(took, now()-atomic.LoadInt64(&stamp))
			c.value(value)
			atomic.StoreUint64(&received, i+1)
		}
		done.Done()
	}()
	begin := now()
	for i := uint64(0); i < count; i++ {
		time.Sleep(gap)
		atomic.StoreInt64(&stamp, now())
		channel <- i
		// A sender that has other work to do: if it slept, its own thread would run the receiver, and nobody be woken.
		for atomic.LoadUint64(&received) != i+1 {
		}
	}
	done.Wait()
	wall := float64(now()-begin) / 1e9 * float64(w.passes) / float64(w.passes+1)
	ok := 0
	if c.errors == 0 && c.count == count && c.sum == count*(count-1)/2 {
		ok = 1
	}
	took = took[w.messages:]
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	fmt.Printf("peer=%s phase=latency messages=%d bytes=%d seconds=%.9f cpu=%.6f ok=%d wall=%.6f", name, len(took),
		len(took)*8, float64(took[len(took)/2])/1e9, cpuSeconds(), ok, wall)
	for _, point := range []struct {
		name  string
		share float64
	}{{"p1", .01}, {"p10", .1}, {"p25", .25}, {"p50", .5}, {"p75", .75}, {"p90", .9}, {"p95", .95}, {"p99", .99}, {"p999", .999}} {
		fmt.Printf(" %s_us=%.3f", point.name, float64(took[int(float64(len(took))*point.share)])/1e3)
	}
	fmt.Printf(" max_us=%.3f\n", float64(took[len(took)-1])/1e3)
	return 1 - ok
}

// ---- command line

func usage(what string) {
	fmt.Fprintln(os.Stderr, "bench-go:", what)
	os.Exit(2)
}

func args() *work {
	w := &work{work: "mem", senders: 1, size: 8, batch: 1, messages: 500000, passes: 5}
	for i := 1; i < len(os.Args); i += 2 {
		if i+1 == len(os.Args) {
			usage(os.Args[i] + " needs a value")
		}
		text := os.Args[i+1]
		number := func() uint64 {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				usage(os.Args[i] + " needs a number, not " + text)
			}
			return n
		}
		switch os.Args[i] {
		case "--work":
			w.work = text
		case "--variant":
			w.variant = text
		case "--senders":
			w.senders = int(number())
		case "--size":
			w.mix = text == "mix"
			w.size = mixMax
			if !w.mix {
				w.size = int(number())
			}
		case "--batch":
			w.batch = int(number())
		case "--slots":
			w.slots = number()
		case "--messages":
			w.messages = number()
		case "--passes":
			w.passes = number()
		case "--pin", "--data", "--bytes", "--memory", "--level", "--dir", "--seed", "--survive", "--cpus",
			"--compress-threads", "--decompress-threads", "--work-passes":
		default:
			usage("unknown option " + os.Args[i])
		}
	}
	if w.senders < 1 || w.senders > sendersMax || w.size < 8 || w.batch < 1 || w.messages < 1 || w.passes < 1 {
		usage("a number is out of range")
	}
	return w
}

func main() {
	w := args()
	debug.SetGCPercent(400)
	isArray := w.variant == "array"
	if w.variant != "" && !isArray {
		os.Exit(unsupported)
	}
	switch {
	case w.work == "wake" && !isArray:
		os.Exit(wake(w, "go-channel"))
	case w.work != "mem":
	case isArray && !w.mix && w.size == 100:
		os.Exit(mem(w, "go-channel-array", shortArrays))
	case isArray && !w.mix && w.size == 1024:
		os.Exit(mem(w, "go-channel-array", longArrays))
	case isArray:
	case w.size == 8:
		os.Exit(mem(w, "go-channel", words))
	default:
		os.Exit(mem(w, "go-channel", slices))
	}
	os.Exit(unsupported)
}
