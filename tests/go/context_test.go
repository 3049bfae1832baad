package digits

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// expiring is a context that is done from the second time on that somebody asks: when a run is under way.
type expiring struct {
	context.Context
	asked int32
}

func (e *expiring) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (e *expiring) Err() error {
	if atomic.AddInt32(&e.asked, 1) == 1 {
		return nil
	}
	return context.Canceled
}

// many is so large a batch that a run of it outlasts whatever may keep a goroutine from being told of its context.
func many(v vector) map[string]Tensor {
	const batch = 1 << 12
	var x []float32
	for i := 0; i < batch; i++ {
		x = append(x, v.floats()...)
	}
	return map[string]Tensor{Input0: {Shape: []int{batch, 1, 8, 8}, Floats: x}}
}

func isCancelled(t *testing.T, err, cause error) {
	t.Helper()
	var e *Error
	if !errors.Is(err, cause) || !errors.Is(err, ErrCancelled) || !errors.As(err, &e) || e.Code != ErrCancelled {
		t.Fatalf("%v, want %v", err, cause)
	}
}

func TestContextCancelsARunUnderWay(t *testing.T) {
	m, v := open(t), golden(t)[0]
	one := map[string][]float32{Input0: v.floats()}
	batch := many(v)
	_, err := m.RunTensorsContext(&expiring{Context: context.Background()}, batch)
	isCancelled(t, err, context.Canceled)
	soon, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	_, err = m.RunTensorsContext(soon, batch)
	isCancelled(t, err, context.DeadlineExceeded)
	results, err := m.Run(one)
	if err != nil {
		t.Fatal("the model is of no use any more:", err)
	}
	near(t, results[Output0], v.scores)
}

func TestContextThatIsCancelledBefore(t *testing.T) {
	m, v := open(t), golden(t)[0]
	done, stop := context.WithCancel(context.Background())
	_, err := m.RunContext(done, map[string][]float32{Input0: v.floats()})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	_, err = m.RunContext(done, map[string][]float32{Input0: v.floats()})
	isCancelled(t, err, context.Canceled)
	_, err = m.ClassifyContext(done, v.picture(), 1)
	isCancelled(t, err, context.Canceled)
	if m.live != 1 || len(m.idle) != 1 {
		t.Fatal("the session of a cancelled run was not kept:", m.live)
	}
}

func TestSessionRunsAgainAfterItWasCancelled(t *testing.T) {
	m, v := open(t), golden(t)[0]
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	batch := many(v)[Input0]
	if err := s.SetShape(0, batch.Shape...); err != nil {
		t.Fatal(err)
	}
	copy(s.Input(0), batch.Floats)
	isCancelled(t, s.RunContext(&expiring{Context: context.Background()}), context.Canceled)
	copy(s.Input(0), batch.Floats)
	if err := s.RunContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	near(t, s.Output(0)[len(s.Output(0))-10:], v.scores)
}

func TestManyGoroutinesSomeOfWhichAreCancelled(t *testing.T) {
	m, v := open(t), golden(t)[0]
	one := map[string][]float32{Input0: v.floats()}
	var group sync.WaitGroup
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func(g int) {
			defer group.Done()
			for i := 0; i < 100; i++ {
				ctx, stop := context.WithCancel(context.Background())
				if g%2 == 0 {
					go stop()
				}
				results, err := m.RunContext(ctx, one)
				if err == nil {
					near(t, results[Output0], v.scores)
				} else if g%2 != 0 || !errors.Is(err, context.Canceled) {
					t.Errorf("goroutine %d, run %d: %v", g, i, err)
				}
				stop()
			}
		}(g)
	}
	group.Wait()
}
