// Nanoseconds of a call from Go, the best of batches of BATCH calls over SECONDS, under the name of the program: main SECONDS
// THREADS BATCH.
package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"model"
)

// measure prints the best time of a call, the calls per second of all goroutines, and the processor time of a call.
func measure(name string, prepare func() func()) {
	seconds, threads, batch := number(1), int(number(2)), int(number(3))
	var group sync.WaitGroup
	best, took, done := make([]time.Duration, threads), make([]float64, threads), make([]int, threads)
	began := processorTime()
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
				if ns := time.Since(before); calls == 0 || ns < best[t] {
					best[t] = ns
				}
				calls += batch
			}
			took[t], done[t] = time.Since(start).Seconds(), calls
		}(t)
	}
	group.Wait()
	cpu, longest, calls := processorTime()-began, 0.0, 0
	for t := range took {
		longest = math.Max(longest, took[t])
		calls += done[t]
	}
	ns, rate := float64(best[0].Nanoseconds())/float64(batch), float64(calls)/longest
	fmt.Printf("%s %.1f %.2f %.1f\n", name, ns, rate, float64(cpu)/float64(calls))
}

// processorTime is that of all threads so far, in nanoseconds.
func processorTime() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

func number(argument int) float64 {
	n, err := strconv.ParseFloat(os.Args[argument], 64)
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	name := filepath.Base(os.Args[0])
	m, err := model.Open()
	if err != nil {
		panic(err)
	}
	measure(name+"-Model.Run", func() func() {
		x := map[string][]float32{model.Input0: make([]float32, model.Input0Size)}
		return func() { m.Run(x) }
	})
	measure(name+"-Session", func() func() {
		s, err := m.NewSession()
		if err != nil {
			panic(err)
		}
		x, y := make([]float32, model.Input0Size), make([]float32, model.Output0Size)
		return func() {
			copy(s.Input(0), x)
			s.Run()
			copy(y, s.Output(0))
		}
	})
}
