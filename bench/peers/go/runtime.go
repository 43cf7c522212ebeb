package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

func pingPong(n int, _ parameters) outcome {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for x := range ping {
			pong <- x
		}
	}()
	pongs := 0
	took := timed(func() {
		for i := 0; i < n; i++ {
			ping <- i
			if <-pong == i {
				pongs++
			}
		}
	})
	close(ping)
	return outcome{took, n, "round trip", pongs == n}
}

func ring(n int, _ parameters) outcome {
	const size = 1000
	links := make([]chan int, size)
	for i := range links {
		links[i] = make(chan int, 1)
	}
	done := make(chan int)
	for i := range links {
		go func(in <-chan int, out chan<- int) {
			for left := range in {
				if left == 0 {
					done <- left
					return
				}
				out <- left - 1
			}
		}(links[i], links[(i+1)%size])
	}
	left := -1
	took := timed(func() {
		links[0] <- n
		left = <-done
	})
	for _, link := range links {
		close(link)
	}
	return outcome{took, n, "hop", left == 0}
}

func spawnExit(n int, _ parameters) outcome {
	const batch = 100
	batches := n / batch
	if batches == 0 {
		batches = 1
	}
	var ended int64
	full := make(chan struct{}, 1)
	took := timed(func() {
		for b := 0; b < batches; b++ {
			for i := 0; i < batch; i++ {
				go func() {
					if atomic.AddInt64(&ended, 1)%batch == 0 {
						full <- struct{}{}
					}
				}()
			}
			<-full
		}
	})
	return outcome{took, batches * batch, "process", ended == int64(batches*batch)}
}

func fanIn(n int, p parameters) outcome {
	senders := 4
	if asked, given := p["senders"]; given {
		senders = asked
	}
	each := n / senders
	mailbox := make(chan int, 1024)
	sum := 0
	took := timed(func() {
		for s := 0; s < senders; s++ {
			go func() {
				for i := 1; i <= each; i++ {
					mailbox <- i
				}
			}()
		}
		for i := 0; i < senders*each; i++ {
			sum += <-mailbox
		}
	})
	return outcome{took, senders * each, "message", sum == senders*(each*(each+1)/2)}
}

type skynetSum struct{ sum, processes int }

func skynet(n int, _ parameters) outcome {
	var total skynetSum
	took := timed(func() {
		root := make(chan skynetSum)
		go skynetNode(root, 0, n, func(number int) int { return number })
		total = <-root
	})
	return outcome{took, total.processes, "process", total.sum == n*(n-1)/2}
}

// A few microseconds of arithmetic.
func computed(number int) int {
	x := uint64(number)
	for i := 0; i < 2000; i++ {
		x = nextRandom(x)
	}
	return int(x)
}

// The same tree with leaves that compute.
func forkJoin(n int, _ parameters) outcome {
	expected := 0
	for number := 0; number < n; number++ {
		expected += computed(number)
	}
	var total skynetSum
	took := timed(func() {
		root := make(chan skynetSum)
		go skynetNode(root, 0, n, computed)
		total = <-root
	})
	return outcome{took, total.processes, "process", total.sum == expected}
}

// The last part takes what ten does not divide, so that every size has an answer.
func skynetNode(parent chan<- skynetSum, number, size int, leaf func(int) int) {
	if size == 1 {
		parent <- skynetSum{leaf(number), 1}
		return
	}
	results := make(chan skynetSum, 10)
	part, children := size/10, 0
	if part == 0 {
		part = 1
	}
	for left := size; left > 0; children++ {
		mine := part
		if children == 9 || mine > left {
			mine = left
		}
		go skynetNode(results, number, mine, leaf)
		number += mine
		left -= mine
	}
	total := skynetSum{0, 1}
	for ; children > 0; children-- {
		r := <-results
		total.sum += r.sum
		total.processes += r.processes
	}
	parent <- total
}

// Bytes, not nanoseconds; a blocked goroutine and the channel it waits at.
func idle(n int, _ parameters) outcome {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	alive := make(chan struct{}, n)
	stops := make([]chan struct{}, n)
	for i := range stops {
		stops[i] = make(chan struct{})
		go func(stop <-chan struct{}) {
			alive <- struct{}{}
			<-stop
		}(stops[i])
	}
	for i := 0; i < n; i++ {
		<-alive
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for _, stop := range stops {
		close(stop)
	}
	// What the test itself holds is not the goroutines'.
	bytes := int(after.StackInuse+after.HeapAlloc) - int(before.StackInuse+before.HeapAlloc) - 8*n
	return outcome{took: time.Duration(bytes), operations: n, unit: "bytes", right: true}
}

// A request that carries its reply channel, which the caller reuses: Go's idiom for a call.
func call(n int, _ parameters) outcome {
	type request struct{ reply chan<- int }
	server := make(chan request)
	go func() {
		count := 0
		for r := range server {
			count++
			r.reply <- count
		}
	}()
	reply, last := make(chan int, 1), 0
	took := timed(func() {
		for i := 0; i < n; i++ {
			server <- request{reply}
			last = <-reply
		}
	})
	close(server)
	return outcome{took, n, "call", last == n}
}

// 64 independent pairs.
func pairs(n int, _ parameters) outcome {
	const count = 64
	each := n / count
	pongs := make(chan int, count)
	start := make(chan struct{})
	var pings []chan int
	for i := 0; i < count; i++ {
		ping, pong := make(chan int), make(chan int)
		pings = append(pings, ping)
		go func() {
			for x := range ping {
				pong <- x
			}
		}()
		go func() {
			<-start
			right := 0
			for i := 0; i < each; i++ {
				ping <- i
				if <-pong == i {
					right++
				}
			}
			pongs <- right
		}()
	}
	sum := 0
	took := timed(func() {
		close(start)
		for i := 0; i < count; i++ {
			sum += <-pongs
		}
	})
	for _, ping := range pings {
		close(ping)
	}
	return outcome{took, count * each, "round trip", sum == count*each}
}

// Eight goroutines that do nothing else.
func yield(n int, _ parameters) outcome {
	const count = 8
	each := n / count
	start, done := make(chan struct{}), make(chan int, count)
	for i := 0; i < count; i++ {
		go func() {
			<-start
			yields := 0
			for ; yields < each; yields++ {
				runtime.Gosched()
			}
			done <- yields
		}()
	}
	sum := 0
	took := timed(func() {
		close(start)
		for i := 0; i < count; i++ {
			sum += <-done
		}
	})
	return outcome{took, count * each, "yield", sum == count*each}
}

type askable struct {
	question chan int
	answer   chan<- int
}

func answering(count int) ([]askable, <-chan int) {
	answers := make(chan int)
	all := make([]askable, count)
	for i := range all {
		all[i] = askable{make(chan int), answers}
		go func(a askable) {
			for j := range a.question {
				a.answer <- j
			}
		}(all[i])
	}
	return all, answers
}

// One of the waiting goroutines after another is asked and answers.
func askedAmong(n int, p parameters) outcome {
	all, answers := answering(p["count"])
	right := 0
	took := timed(func() {
		for j := 0; j < n; j++ {
			all[j*7919%len(all)].question <- j
			if <-answers == j {
				right++
			}
		}
	})
	for _, a := range all {
		close(a.question)
	}
	return outcome{took, n, "question", right == n}
}

// Bytes of n goroutines that are alive at once and have each answered one message.
func million(n int, _ parameters) outcome {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	all, answers := answering(n)
	right := 0
	for j, a := range all {
		a.question <- j
		if <-answers == j {
			right++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for _, a := range all {
		close(a.question)
	}
	// What the test itself holds is not the goroutines'.
	bytes := int(after.StackInuse+after.HeapAlloc) - int(before.StackInuse+before.HeapAlloc) - 16*n
	return outcome{took: time.Duration(bytes), operations: 1, unit: "bytes", right: right == n}
}
