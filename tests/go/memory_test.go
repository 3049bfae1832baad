package digits

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// resident is the memory of this process in KiB, without what Go has to spare.
func resident(t *testing.T) int {
	for i := 0; i < 3; i++ { // finalizers run in between
		debug.FreeOSMemory()
		time.Sleep(10 * time.Millisecond)
	}
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
				runtime.GC() // what is forgotten is closed by its finalizer, in a goroutine of the runtime
				time.Sleep(time.Millisecond)
			}
		}
	}
	for _, closing := range []bool{true, false} {
		cycles(closing)
		before := resident(t)
		cycles(closing)
		if grown := resident(t) - before; grown > 4096 {
			t.Fatalf("closing %v: %d KiB more after 1,000 cycles", closing, grown)
		}
	}
}
