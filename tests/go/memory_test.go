package digits

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// settle returns when what is forgotten was finalized: one goroutine runs all finalizers, so that those of the first
// collection are done when one of the second runs.
func settle() {
	for i := 0; i < 2; i++ {
		done := make(chan bool)
		runtime.SetFinalizer(new([64]byte), func(*[64]byte) { close(done) })
		runtime.GC()
		<-done
	}
}

// resident is the memory of this process in KiB, without what Go has to spare.
func resident(t *testing.T) int {
	settle()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	size, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func TestCyclesKeepNoMemory(t *testing.T) {
	x := map[string][]float32{Input0: make([]float32, Input0Size)}
	cycles := func(closing bool) {
		for i := 0; i < 1000; i++ {
			m, err := Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run(x); err != nil {
				t.Fatal(err)
			}
			if closing {
				m.Close()
			} else if i%50 == 49 {
				settle() // what is forgotten is closed by its finalizer
			}
		}
	}
	for _, closing := range []bool{true, false} {
		cycles(closing)
		least := 1 << 30 // a leak grows in every round, what allocators keep for later does not
		for round := 0; round < 3; round++ {
			before := resident(t)
			cycles(closing)
			if grown := resident(t) - before; grown < least {
				least = grown
			}
		}
		if least > 4096 {
			t.Fatalf("closing %v: %d KiB more after 1,000 cycles", closing, least)
		}
	}
}
