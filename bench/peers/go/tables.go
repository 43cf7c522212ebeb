package main

import (
	"sync"
	"sync/atomic"
)

// sync.Map for lookups and inserts. A counter is a pointer to an atomic, put there once: the way
// to update in place without a lock.

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

func lookup(n int, p parameters) outcome {
	rows := p["rows"]
	table := filled(rows)
	return onGoroutines(n, p, "lookup", func(j, _ int) int {
		key := keyOf(j, rows)
		value, _ := table.Load(key)
		return value.(int) - key
	})
}

func lookupMiss(n int, p parameters) outcome {
	rows := p["rows"]
	table := filled(rows)
	return onGoroutines(n, p, "lookup", func(j, _ int) int {
		if _, present := table.Load(-1 - keyOf(j, rows)); present {
			return 1
		}
		return 0
	})
}

// Keys of its own for each goroutine.
func insertNewDelete(n int, p parameters) outcome {
	rows := p["rows"]
	table := filled(rows)
	return onGoroutines(n, p, "pair", func(j, who int) int {
		wrong, key := 0, rows*(who+1)+keyOf(j, rows)
		if _, present := table.LoadOrStore(key, key); present {
			wrong++
		}
		if _, present := table.LoadAndDelete(key); !present {
			wrong++
		}
		return wrong
	})
}

func mixed(n int, p parameters) outcome {
	rows := p["rows"]
	table := filled(rows)
	return onGoroutines(n, p, "operation", func(j, _ int) int {
		key := keyOf(j, rows)
		if j%10 == 0 {
			table.Store(key, key)
			return 0
		}
		value, _ := table.Load(key)
		return value.(int) - key
	})
}

func updateCounterOneKey(n int, p parameters) outcome {
	table := &sync.Map{}
	for key := 0; key < p["rows"]; key++ {
		table.Store(key, new(int64))
	}
	result := onGoroutines(n, p, "update", func(_, _ int) int {
		counter, _ := table.Load(1)
		atomic.AddInt64(counter.(*int64), 1)
		return 0
	})
	counter, _ := table.Load(1)
	result.right = *counter.(*int64) == int64(result.operations)
	return result
}

func insert(n int, p parameters) outcome {
	rows := p["rows"]
	table := filled(rows)
	return onGoroutines(n, p, "insert", func(j, _ int) int {
		key := keyOf(j, rows)
		table.Store(key, key)
		return 0
	})
}

func updateCounter(n int, p parameters) outcome {
	rows := p["rows"]
	table := &sync.Map{}
	for key := 0; key < rows; key++ {
		table.Store(key, new(int64))
	}
	result := onGoroutines(n, p, "update", func(j, _ int) int {
		counter, _ := table.Load(keyOf(j, rows))
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

func filled(rows int) *sync.Map {
	table := &sync.Map{}
	for key := 0; key < rows; key++ {
		table.Store(key, key)
	}
	// Misses promote the dirty map, after which reads take no lock.
	for i := 0; i <= rows; i++ {
		table.Load(-1)
	}
	return table
}
