package digits

import (
	"errors"
	"reflect"
	"sync"
	"testing"
)

func TestManyGoroutines(t *testing.T) {
	m := open(t)
	vectors := golden(t)
	var want [][]float32
	for _, v := range vectors {
		results, err := m.Run(map[string][]float32{Input0: v.floats()})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, results[Output0])
	}
	var group sync.WaitGroup
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func(g int) {
			defer group.Done()
			for i := 0; i < 200; i++ {
				n := (i + g) % len(vectors)
				results, err := m.Run(map[string][]float32{Input0: vectors[n].floats()})
				if err != nil || !reflect.DeepEqual(results[Output0], want[n]) {
					t.Errorf("goroutine %d, run %d: %v %v", g, i, results, err)
					return
				}
			}
		}(g)
	}
	group.Wait()
}

func TestCloseWhileRunning(t *testing.T) {
	for round := 0; round < 20; round++ {
		m, err := Open()
		if err != nil {
			t.Fatal(err)
		}
		x := map[string][]float32{Input0: make([]float32, Input0Size)}
		var group sync.WaitGroup
		for g := 0; g < 4; g++ {
			group.Add(1)
			go func() {
				defer group.Done()
				for i := 0; i < 100; i++ {
					if _, err := m.Run(x); err != nil {
						if !errors.Is(err, ErrArgument) {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		m.Close()
		group.Wait()
		if m.handle != nil || m.live != 0 {
			t.Fatal("something is left")
		}
	}
}
