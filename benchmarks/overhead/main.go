// Nanoseconds of a call from Go, the best of batches over SECONDS, under the name of the program: main SECONDS THREADS.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"digits"
)

const batch = 1000

// measure gives the best time of a call, and the calls per second of all goroutines together.
func measure(name string, seconds float64, threads int, prepare func() func()) {
	var group sync.WaitGroup
	best, rate := make([]time.Duration, threads), make([]float64, threads)
	for t := 0; t < threads; t++ {
		group.Add(1)
		go func(t int) {
			defer group.Done()
			call := prepare()
			start, calls := time.Now(), 0
			for time.Since(start).Seconds() < seconds {
				before := time.Now()
				for i := 0; i < batch; i++ {
					call()
				}
				if took := time.Since(before); calls == 0 || took < best[t] {
					best[t] = took
				}
				calls += batch
			}
			rate[t] = float64(calls) / time.Since(start).Seconds()
		}(t)
	}
	group.Wait()
	total := 0.0
	for _, r := range rate {
		total += r
	}
	fmt.Printf("%s %.1f %.0f\n", name, float64(best[0].Nanoseconds())/batch, total)
}

func main() {
	seconds, _ := strconv.ParseFloat(os.Args[1], 64)
	threads, _ := strconv.Atoi(os.Args[2])
	name := filepath.Base(os.Args[0])
	m, err := digits.Open()
	if err != nil {
		panic(err)
	}
	measure(name+"-Model.Run", seconds, threads, func() func() {
		x := map[string][]float32{digits.Input0: make([]float32, digits.Input0Size)}
		return func() { m.Run(x) }
	})
	measure(name+"-Session", seconds, threads, func() func() {
		s, err := m.NewSession()
		if err != nil {
			panic(err)
		}
		x, y := make([]float32, digits.Input0Size), make([]float32, digits.Output0Size)
		return func() {
			copy(s.Input(0), x)
			s.Run()
			copy(y, s.Output(0))
		}
	})
}
