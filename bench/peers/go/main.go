// Go as a contender: a goroutine for a process, a channel for its mailbox. Written to win, so:
//   - GOMAXPROCS is the number of workers asked for;
//   - channels are buffered where a sender may run ahead, unbuffered where it waits anyway;
//   - messages are small values, never pointers to fresh memory;
//   - the collector runs at a heap four times the live size (GOGC=300).
//
// It has no monitors or supervisors, so those scenarios are absent; two maps stand for a table (tables.go).
// The scenarios are defined in bench/peers/README.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

type outcome struct {
	took       time.Duration
	operations int
	unit       string
	right      bool
}

type parameters map[string]int

var scenarios = map[string]func(n int, p parameters) outcome{
	"runtime/ping_pong":            pingPong,
	"runtime/ring":                 ring,
	"runtime/spawn_exit":           spawnExit,
	"runtime/fan_in":               fanIn,
	"runtime/skynet":               skynet,
	"runtime/pairs":                pairs,
	"runtime/fork_join":            forkJoin,
	"runtime/yield":                yield,
	"runtime/idle":                 idle,
	"runtime/million":              million,
	"growth/processes":             askedAmong,
	"supervisor/call":              call,
	"ets/lookup":                   lookup,
	"ets/lookup_miss":              lookupMiss,
	"ets/lookup_zipf":              lookupZipf,
	"ets/lookup_text":              lookupText,
	"ets/lookup_wide":              lookupWide,
	"ets/visit_wide":               lookupWide,
	"ets/insert_text":              insertText,
	"ets/insert":                   insert,
	"ets/insert_new_delete":        insertNewDelete,
	"ets/update_counter_one_key":   updateCounterOneKey,
	"ets/mixed_90_10":              mixed,
	"ets/update_counter":           updateCounter,
	"savina/thread_ring":           threadRing,
	"savina/counting":              counting,
	"savina/fork_join_throughput":  forkJoinThroughput,
	"savina/fork_join_create":      forkJoinCreate,
	"savina/big":                   big,
	"savina/chameneos":             chameneos,
	"savina/banking":               banking,
	"savina/concurrent_dictionary": concurrentDictionary,
	"savina/dining_philosophers":   diningPhilosophers,
	"savina/sieve":                 sieve,
}

func main() {
	scenario := flag.String("scenario", "", "what to do")
	n := flag.Int("n", 1000, "how often")
	workers := flag.Int("workers", 1, "GOMAXPROCS")
	list := flag.String("list", "", "only say which scenarios there are")
	flag.Parse()
	if *list != "" {
		for name := range scenarios {
			fmt.Println(name)
		}
		return
	}
	runtime.GOMAXPROCS(*workers)
	debug.SetGCPercent(300)

	name, p := split(*scenario)
	run, known := scenarios[name]
	if !known {
		os.Exit(3)
	}
	if !setsUpEnough(name, p) {
		run(*n/10+1, p)
		runtime.GC()
	}
	result := run(*n, p)
	fmt.Printf(`{"scenario": %q, "contender": "go", "ns_per_op": %.3f, "unit": %q, "check": %t}`+"\n",
		*scenario, float64(result.took.Nanoseconds())/float64(result.operations),
		result.unit, result.right)
	if !result.right {
		os.Exit(1)
	}
}

// Making a hundred thousand of something takes longer than measuring it, and warms up by itself. Nothing goes before memory
// is weighed: what a first time has touched would seem to cost nothing.
func setsUpEnough(name string, p parameters) bool {
	for _, count := range p {
		if count >= 100000 {
			return true
		}
	}
	return name == "runtime/idle" || name == "runtime/million"
}

// split takes the parameters (key:value) off a scenario's name.
func split(scenario string) (string, parameters) {
	var names []string
	p := parameters{}
	for _, part := range strings.Split(scenario, "/") {
		if key, value, found := strings.Cut(part, ":"); found {
			p[key], _ = strconv.Atoi(value)
		} else {
			names = append(names, part)
		}
	}
	return strings.Join(names, "/"), p
}

func timed(work func()) time.Duration {
	start := time.Now()
	work()
	return time.Since(start)
}

// nextRandom is the generator every contender uses.
func nextRandom(x uint64) uint64 { return (x*1103515245 + 12345) & 0x7fffffff }
