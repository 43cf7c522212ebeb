package main

import (
	"fmt"
	"math"
	"sort"
	"sync"
	"sync/atomic"
)

// Two maps stand for a table, each where it is the better one: sync.Map where few rows are only read or counted (a counter
// is a pointer to an atomic, put there once), whose reads take no lock but whose values are boxed; and where rows are
// written, or so many that boxing them costs more than a lock, Go's own map in parts with a lock each.

const parts = 256

type part[K comparable, V any] struct {
	lock sync.RWMutex
	rows map[K]V
	_    [64]byte // no two locks on a cache line
}

type partedMap[K comparable, V any] struct {
	hash  func(K) uint64
	parts [parts]part[K, V]
}

func hashInt(key int) uint64 { return uint64(key) * 0x9e3779b97f4a7c15 >> 56 }

// The last digits are what differs.
func hashText(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := len(key) - 7; i < len(key); i++ {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return h >> 56
}

func newPartedMap[K comparable, V any](rows int, hash func(K) uint64) *partedMap[K, V] {
	m := &partedMap[K, V]{hash: hash}
	for i := range m.parts {
		m.parts[i].rows = make(map[K]V, rows/parts+1)
	}
	return m
}

func (m *partedMap[K, V]) load(key K) (V, bool) {
	p := &m.parts[m.hash(key)]
	p.lock.RLock()
	value, present := p.rows[key]
	p.lock.RUnlock()
	return value, present
}

func (m *partedMap[K, V]) store(key K, value V) {
	p := &m.parts[m.hash(key)]
	p.lock.Lock()
	p.rows[key] = value
	p.lock.Unlock()
}

func (m *partedMap[K, V]) update(key K, change func(V) V) {
	p := &m.parts[m.hash(key)]
	p.lock.Lock()
	p.rows[key] = change(p.rows[key])
	p.lock.Unlock()
}

func (m *partedMap[K, V]) storeNew(key K, value V) bool {
	p := &m.parts[m.hash(key)]
	p.lock.Lock()
	_, present := p.rows[key]
	if !present {
		p.rows[key] = value
	}
	p.lock.Unlock()
	return !present
}

func (m *partedMap[K, V]) remove(key K) bool {
	p := &m.parts[m.hash(key)]
	p.lock.Lock()
	_, present := p.rows[key]
	delete(p.rows, key)
	p.lock.Unlock()
	return present
}

func keyOf(j, rows int) int { return j * 7919 % rows }

// P goroutines do n / P operations each; the clock covers start to last end.
func onGoroutines(n int, p parameters, unit string, operation func(j, who int) int) outcome {
	goroutines := p["processes"]
	each := n / goroutines
	var wrong int64
	var all sync.WaitGroup
	all.Add(goroutines)
	took := timed(func() {
		for g := 0; g < goroutines; g++ {
			go func(who int) {
				sum := 0
				for j := 0; j < each; j++ {
					sum += operation(j, who)
				}
				atomic.AddInt64(&wrong, int64(sum))
				all.Done()
			}(g)
		}
		all.Wait()
	})
	return outcome{took, each * goroutines, unit, wrong == 0}
}

// The rows from which boxed values cost more cache misses than a lock does.
const large = 100000

func reading(n int, p parameters, key func(j int) int) outcome {
	rows := p["rows"]
	if rows >= large {
		table := filled(rows)
		return onGoroutines(n, p, "lookup", func(j, _ int) int {
			k := key(j)
			value, _ := table.load(k)
			return value - k
		})
	}
	table := filledToRead(rows)
	return onGoroutines(n, p, "lookup", func(j, _ int) int {
		k := key(j)
		value, _ := table.Load(k)
		return value.(int) - k
	})
}

func lookup(n int, p parameters) outcome {
	rows := p["rows"]
	return reading(n, p, func(j int) int { return keyOf(j, rows) })
}

func lookupZipf(n int, p parameters) outcome {
	ranks := zipf(p["rows"])
	return reading(n, p, func(j int) int { return int(ranks[j&0xffff]) })
}

func lookupMiss(n int, p parameters) outcome {
	rows := p["rows"]
	table := filledToRead(rows)
	return onGoroutines(n, p, "lookup", func(j, _ int) int {
		if _, present := table.Load(-1 - keyOf(j, rows)); present {
			return 1
		}
		return 0
	})
}

// Keys of 24 bytes.
func texts(rows int) (*partedMap[string, int], []string) {
	keys := make([]string, rows)
	table := newPartedMap[string, int](rows, hashText)
	for k := range keys {
		keys[k] = fmt.Sprintf("key of 24 bytes, %07d", k)
		table.store(keys[k], k)
	}
	return table, keys
}

func lookupText(n int, p parameters) outcome {
	table, keys := texts(p["rows"])
	return onGoroutines(n, p, "lookup", func(j, _ int) int {
		k := keyOf(j, len(keys))
		value, _ := table.load(keys[k])
		return value - k
	})
}

func insertText(n int, p parameters) outcome {
	table, keys := texts(p["rows"])
	result := onGoroutines(n, p, "insert", func(j, _ int) int {
		k := keyOf(j, len(keys))
		table.store(keys[k], k)
		return 0
	})
	for k, key := range keys {
		value, _ := table.load(key)
		result.right = result.right && value == k
	}
	return result
}

// Values of 200 bytes; the table holds pointers to them, so that no read copies one.
type wideValue struct {
	number int
	_      [192]byte
}

func lookupWide(n int, p parameters) outcome {
	rows := p["rows"]
	table := newPartedMap[int, *wideValue](rows, hashInt)
	for k := 0; k < rows; k++ {
		table.store(k, &wideValue{number: k})
	}
	return onGoroutines(n, p, "lookup", func(j, _ int) int {
		k := keyOf(j, rows)
		value, _ := table.load(k)
		return value.number - k
	})
}

// What a write leaves behind: row k holds k.
func writing(n int, p parameters, unit string, operation func(table *partedMap[int, int], j, who int) int) outcome {
	rows := p["rows"]
	table := filled(rows)
	result := onGoroutines(n, p, unit, func(j, who int) int { return operation(table, j, who) })
	for k := 0; k < rows; k++ {
		value, present := table.load(k)
		result.right = result.right && present && value == k
	}
	return result
}

func insert(n int, p parameters) outcome {
	rows := p["rows"]
	return writing(n, p, "insert", func(table *partedMap[int, int], j, _ int) int {
		key := keyOf(j, rows)
		table.store(key, key)
		return 0
	})
}

// Keys of its own for each goroutine.
func insertNewDelete(n int, p parameters) outcome {
	rows := p["rows"]
	return writing(n, p, "pair", func(table *partedMap[int, int], j, who int) int {
		wrong, key := 0, rows*(who+1)+keyOf(j, rows)
		if !table.storeNew(key, key) {
			wrong++
		}
		if !table.remove(key) {
			wrong++
		}
		return wrong
	})
}

func mixed(n int, p parameters) outcome {
	rows := p["rows"]
	return writing(n, p, "operation", func(table *partedMap[int, int], j, _ int) int {
		key := keyOf(j, rows)
		if j%10 == 0 {
			table.store(key, key)
			return 0
		}
		value, _ := table.load(key)
		return value - key
	})
}

func counted(n int, p parameters, key func(j int) int) outcome {
	if p["rows"] >= large {
		return countedUnderLock(n, p, key)
	}
	table := &sync.Map{}
	for k := 0; k < p["rows"]; k++ {
		table.Store(k, new(int64))
	}
	promote(table, p["rows"])
	result := onGoroutines(n, p, "update", func(j, _ int) int {
		counter, _ := table.Load(key(j))
		atomic.AddInt64(counter.(*int64), 1)
		return 0
	})
	sum := int64(0)
	table.Range(func(_, counter any) bool {
		sum += *counter.(*int64)
		return true
	})
	result.right = sum == int64(result.operations)
	return result
}

func countedUnderLock(n int, p parameters, key func(j int) int) outcome {
	rows := p["rows"]
	table := newPartedMap[int, int](rows, hashInt)
	for k := 0; k < rows; k++ {
		table.store(k, 0)
	}
	result := onGoroutines(n, p, "update", func(j, _ int) int {
		table.update(key(j), func(count int) int { return count + 1 })
		return 0
	})
	sum := 0
	for k := 0; k < rows; k++ {
		count, _ := table.load(k)
		sum += count
	}
	result.right = sum == result.operations
	return result
}

func updateCounter(n int, p parameters) outcome {
	rows := p["rows"]
	return counted(n, p, func(j int) int { return keyOf(j, rows) })
}

func updateCounterOneKey(n int, p parameters) outcome {
	return counted(n, p, func(int) int { return 1 })
}

func filled(rows int) *partedMap[int, int] {
	table := newPartedMap[int, int](rows, hashInt)
	for key := 0; key < rows; key++ {
		table.store(key, key)
	}
	return table
}

func filledToRead(rows int) *sync.Map {
	table := &sync.Map{}
	for key := 0; key < rows; key++ {
		table.Store(key, key)
	}
	promote(table, rows)
	return table
}

// Misses promote the dirty map, after which reads take no lock.
func promote(table *sync.Map, rows int) {
	for i := 0; i <= rows; i++ {
		table.Load(-1)
	}
}

// 65,536 ranks of a Zipf distribution, drawn before the clock starts.
func zipf(rows int) []uint32 {
	cumulated, sum := make([]float64, rows), 0.0
	for i := range cumulated {
		sum += 1 / math.Pow(float64(i+1), 0.99)
		cumulated[i] = sum
	}
	ranks, x := make([]uint32, 1<<16), uint64(88172645463325252)
	for i := range ranks {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		ranks[i] = uint32(sort.SearchFloat64s(cumulated, float64(x>>11)/9007199254740992.0*sum))
	}
	return ranks
}
