package main

// Savina's classics (Imam and Sarkar, AGERE 2014), with the sizes in bench/peers/README.md.

type token struct{ left int }

func threadRing(n int, _ parameters) outcome {
	const size = 100
	links := make([]chan token, size)
	for i := range links {
		links[i] = make(chan token, 1)
	}
	done := make(chan int)
	for i := range links {
		go func(id int, in <-chan token, out chan<- token) {
			for t := range in {
				if t.left == 0 {
					done <- id
					return
				}
				out <- token{t.left - 1}
			}
		}(i, links[i], links[(i+1)%size])
	}
	holder := -1
	took := timed(func() {
		links[0] <- token{n}
		holder = <-done
	})
	for _, link := range links {
		close(link)
	}
	return outcome{took, n, "hop", holder == n%size}
}

func counting(n int, _ parameters) outcome {
	mailbox, answer := make(chan int, 1024), make(chan int)
	count := 0
	took := timed(func() {
		go func() {
			sum := 0
			for x := range mailbox {
				sum += x
			}
			answer <- sum
		}()
		go func() {
			for i := 0; i < n; i++ {
				mailbox <- 1
			}
			close(mailbox)
		}()
		count = <-answer
	})
	return outcome{took, n, "message", count == n}
}

func forkJoinThroughput(n int, _ parameters) outcome {
	const actors = 60
	each := n / actors
	mailboxes := make([]chan int, actors)
	handled := make(chan int, actors)
	for i := range mailboxes {
		mailboxes[i] = make(chan int, 1024)
		go func(in <-chan int) {
			sum := 0
			for i := 0; i < each; i++ {
				sum += <-in
			}
			handled <- sum
		}(mailboxes[i])
	}
	total := 0
	took := timed(func() {
		for round := 0; round < each; round++ {
			for _, mailbox := range mailboxes {
				mailbox <- 1
			}
		}
		for range mailboxes {
			total += <-handled
		}
	})
	return outcome{took, each * actors, "message", total == each*actors}
}

func forkJoinCreate(n int, _ parameters) outcome {
	done := make(chan int, 1024)
	total := 0
	took := timed(func() {
		go func() {
			for i := 0; i < n; i++ {
				mailbox := make(chan int, 1)
				go func() { done <- <-mailbox }()
				mailbox <- 1
			}
		}()
		for i := 0; i < n; i++ {
			total += <-done
		}
	})
	return outcome{took, n, "actor", total == n}
}

// Mailboxes hold every message that can be under way, so that nobody waits for room in a circle.
func big(n int, _ parameters) outcome {
	const actors = 120
	each := n / actors
	type message struct{ from int } // -1 is a pong
	mailboxes := make([]chan message, actors)
	for i := range mailboxes {
		mailboxes[i] = make(chan message, actors+1)
	}
	pongs, stop := make(chan int), make(chan struct{})
	actor := func(id int) {
		in, random, count := mailboxes[id], uint64(id+1), 0
		for count < each {
			random = nextRandom(random)
			mailboxes[random%actors] <- message{id}
			for waiting := true; waiting; {
				if m := <-in; m.from < 0 {
					waiting = false
				} else {
					mailboxes[m.from] <- message{-1}
				}
			}
			count++
		}
		pongs <- count
		for {
			select {
			case m := <-in:
				mailboxes[m.from] <- message{-1}
			case <-stop:
				return
			}
		}
	}
	total := 0
	took := timed(func() {
		for i := 0; i < actors; i++ {
			go actor(i)
		}
		for i := 0; i < actors; i++ {
			total += <-pongs
		}
	})
	close(stop)
	return outcome{took, each * actors, "ping", total == each*actors}
}

func complement(a, b int) int {
	if a == b {
		return a
	}
	return 3 - a - b
}

func chameneos(n int, _ parameters) outcome {
	const creatures = 100
	type visit struct {
		colour int
		answer chan int // the other's colour, or -1: the mall is closed
	}
	mall, counts := make(chan visit, creatures), make(chan int, creatures)
	met := 0
	took := timed(func() {
		go func() {
			for left := n; left > 0; left-- {
				first := <-mall
				second := <-mall
				first.answer <- second.colour
				second.answer <- first.colour
			}
			for i := 0; i < creatures; i++ {
				v := <-mall
				v.answer <- -1
			}
		}()
		for i := 0; i < creatures; i++ {
			go func(colour int) {
				answer, meetings := make(chan int, 1), 0
				for {
					mall <- visit{colour, answer}
					other := <-answer
					if other < 0 {
						counts <- meetings
						return
					}
					colour = complement(colour, other)
					meetings++
				}
			}(i % 3)
		}
		for i := 0; i < creatures; i++ {
			met += <-counts
		}
	})
	return outcome{took, n, "meeting", met == 2*n}
}

// The teller holds back when an account's mailbox is full; a credit always finds room, because the
// receiver of a credit is never waiting for the sender of one (debits go from low to high).
func banking(n int, _ parameters) outcome {
	const accounts = 1000
	type debit struct{ to int }
	type credit struct {
		amount int
		done   chan<- struct{}
	}
	debits, credits := make([]chan debit, accounts), make([]chan credit, accounts)
	for i := range debits {
		debits[i], credits[i] = make(chan debit, 64), make(chan credit, 64)
	}
	answers, stop := make(chan struct{}, 1024), make(chan struct{})
	balances := make(chan int, accounts)
	account := func(id int) {
		balance := 1000000
		credited := make(chan struct{}, 1)
		for {
			select {
			case c := <-credits[id]:
				balance += c.amount
				c.done <- struct{}{}
			case d := <-debits[id]:
				credits[d.to] <- credit{1, credited}
				<-credited
				balance--
				answers <- struct{}{}
			case <-stop:
				balances <- balance
				return
			}
		}
	}
	for i := 0; i < accounts; i++ {
		go account(i)
	}
	done := 0
	took := timed(func() {
		go func() {
			random := uint64(7919)
			for i := 0; i < n; i++ {
				r1 := nextRandom(random)
				random = nextRandom(r1)
				from := int(r1/65536) % (accounts - 1)
				debits[from] <- debit{from + 1 + int(random/65536)%(accounts-1-from)}
			}
		}()
		for ; done < n; done++ {
			<-answers
		}
	})
	close(stop)
	total := 0
	for i := 0; i < accounts; i++ {
		total += <-balances
	}
	return outcome{took, n, "transfer", done == n && total == accounts*1000000}
}

func concurrentDictionary(n int, _ parameters) outcome {
	const workers = 20
	each := n / workers
	type request struct {
		write      bool
		key, value int
		reply      chan<- int
	}
	dictionary, counts := make(chan request, workers), make(chan int, workers)
	go func() {
		words := map[int]int{}
		for r := range dictionary {
			if r.write {
				words[r.key] = r.value
			}
			r.reply <- words[r.key]
		}
	}()
	total := 0
	took := timed(func() {
		for w := 1; w <= workers; w++ {
			go func(random uint64) {
				reply, answers := make(chan int, 1), 0
				for left := each; left > 0; left-- {
					random = nextRandom(random)
					dictionary <- request{left%10 == 0, int(random/65536) % 512, left, reply}
					<-reply
					answers++
				}
				counts <- answers
			}(uint64(w))
		}
		for w := 0; w < workers; w++ {
			total += <-counts
		}
	})
	close(dictionary)
	return outcome{took, each * workers, "operation", total == each*workers}
}

func diningPhilosophers(n int, _ parameters) outcome {
	const seats = 20
	each := n / seats
	type request struct {
		seat   int
		hungry bool
		answer chan<- bool
	}
	table, counts := make(chan request, 2*seats), make(chan int, seats)
	go func() {
		var taken [seats]bool
		for r := range table {
			left, right := r.seat, (r.seat+1)%seats
			if !r.hungry {
				taken[left], taken[right] = false, false
				continue
			}
			free := !taken[left] && !taken[right]
			if free {
				taken[left], taken[right] = true, true
			}
			r.answer <- free
		}
	}()
	meals := 0
	took := timed(func() {
		for seat := 0; seat < seats; seat++ {
			go func(seat int) {
				answer, eaten := make(chan bool, 1), 0
				for eaten < each {
					table <- request{seat, true, answer}
					if <-answer {
						table <- request{seat: seat}
						eaten++
					}
				}
				counts <- eaten
			}(seat)
		}
		for seat := 0; seat < seats; seat++ {
			meals += <-counts
		}
	})
	close(table)
	return outcome{took, each * seats, "meal", meals == each*seats}
}

func sieve(n int, _ parameters) outcome {
	total := 0
	took := timed(func() {
		first, answer := make(chan int, 1024), make(chan int)
		go sieveFilter(2, first, answer)
		for x := 3; x <= n; x += 2 {
			first <- x
		}
		close(first)
		total = <-answer
	})
	return outcome{took, (n - 1) / 2, "candidate", total == primeCount(n)}
}

func sieveFilter(prime int, in <-chan int, answer chan<- int) {
	const capacity = 1000
	primes := make([]int, 1, capacity)
	primes[0] = prime
	var next chan int
	rest := make(chan int, 1)
next:
	for x := range in {
		for _, p := range primes {
			if p*p > x {
				break
			}
			if x%p == 0 {
				continue next
			}
		}
		switch {
		case len(primes) < capacity:
			primes = append(primes, x)
		case next == nil:
			next = make(chan int, 1024)
			go sieveFilter(x, next, rest)
		default:
			next <- x
		}
	}
	count := len(primes)
	if next != nil {
		close(next)
		count += <-rest
	}
	answer <- count
}

// primeCount is the answer by other means: trial division.
func primeCount(n int) int {
	count := 1
	for x := 3; x <= n; x += 2 {
		prime := true
		for d := 3; prime && d*d <= x; d += 2 {
			prime = x%d != 0
		}
		if prime {
			count++
		}
	}
	return count
}
