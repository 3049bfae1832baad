//go:build cgo && unix

package digits

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// shortage is the two numbers of tests/c/faults.h: calls of malloc up to the first that fails, and blocks not yet freed.
type shortage struct {
	call   uint64
	blocks int64
}

func newShortage(t *testing.T) *shortage {
	path := os.Getenv("FAULTS")
	if path == "" {
		t.Skip("this pair allocates as usual: FAULTS names no file")
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	numbers, err := syscall.Mmap(int(file.Fd()), 0, 16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	return (*shortage)(unsafe.Pointer(&numbers[0]))
}

// TestMemoryThatRunsOut has every allocation fail once of opening, of a session of two threads, and of another shape.
func TestMemoryThatRunsOut(t *testing.T) {
	memory, vectors := newShortage(t), golden(t)[:3]
	data, err := os.ReadFile("testdata/digits.amg")
	if err != nil {
		t.Fatal(err)
	}
	one := map[string][]float32{Input0: vectors[0].floats()}
	var three, wanted []float32
	for _, v := range vectors {
		three, wanted = append(three, v.floats()...), append(wanted, v.scores...)
	}
	all := func(o Options) (*Model, error) {
		m, err := OpenWith(o)
		if err != nil {
			return nil, err
		}
		if _, err := m.Run(one); err != nil {
			return m, err
		}
		_, err = m.RunTensors(map[string]Tensor{Input0: {Shape: []int{3, 1, 8, 8}, Floats: three}})
		return m, err
	}
	for _, options := range []Options{{Threads: 2}, {Threads: 2, Data: data}, {Threads: 2, Path: "testdata/digits.amg"}} {
		for call, done := uint64(1), false; !done; call++ {
			memory.call = call
			m, err := all(options)
			memory.call = 0
			if done = err == nil; done && call < 7 {
				t.Fatalf("%v: %d allocations", options, call-1)
			}
			if err != nil && !errors.Is(err, ErrMemory) {
				t.Fatalf("%v: allocation %d: %v", options, call, err)
			}
			if m == nil {
				m = opened(t, options)
			}
			results, err := m.Run(one)
			if err != nil {
				t.Fatal(err)
			}
			near(t, results[Output0], vectors[0].scores)
			batch, err := m.RunTensors(map[string]Tensor{Input0: {Shape: []int{3, 1, 8, 8}, Floats: three}})
			if err != nil {
				t.Fatal(err)
			}
			near(t, batch[Output0].Floats, wanted)
			m.Close()
			if memory.blocks != 0 {
				t.Fatalf("%v: %d blocks are lost when allocation %d fails", options, memory.blocks, call)
			}
		}
	}
}
