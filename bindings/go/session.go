package amalgamated

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
)

// Session is the memory of one run at a time: fill Input, Run, read Output, without a copy. It belongs to one goroutine
// at a time.
type Session struct {
	model   *core
	state   *state // nil once closed
	inputs  []place
	outputs []place
	spent   bool // of no use for another run: it is at other shapes than the model's, or failed
}

// place is where a tensor lies now: one of floats and ints, as its type says.
type place struct {
	TensorInfo
	floats []float32
	ints   []int64
}

// NewSession makes a session of your own, which you close.
func (m *Model) NewSession() (*Session, error) {
	if err := m.lock(); err != nil {
		return nil, err
	}
	defer m.mutex.Unlock()
	s, err := m.newSession()
	if err == nil {
		runtime.SetFinalizer(s, (*Session).Close)
	}
	return s, err
}

// newSession is called with the model locked.
func (m *core) newSession() (*Session, error) {
	made, err := m.handle.newState(m.options.Threads, m.options.ISA)
	if err != nil {
		return nil, err
	}
	m.live++
	s := &Session{model: m, state: made}
	s.locate()
	return s, nil
}

// Close frees the session, and the model if that was closed before. Closing twice is fine.
func (s *Session) Close() error {
	if s == nil || s.state == nil {
		return nil
	}
	runtime.SetFinalizer(s, nil)
	s.model.mutex.Lock()
	defer s.model.mutex.Unlock()
	s.model.free(s)
	s.model.freeIfUnused()
	return nil
}

// Input is the memory of input i, or nil where it holds no float32. It is gone with the session or a change of shape.
func (s *Session) Input(i int) []float32 {
	return s.floats(s.inputs, i)
}

// Output is the memory of output i, or nil where it holds no float32. The next run changes it.
func (s *Session) Output(i int) []float32 {
	return s.floats(s.outputs, i)
}

// Info describes input i, or output i, at the session's shapes.
func (s *Session) Info(output bool, i int) TensorInfo {
	if output {
		return s.outputs[i].TensorInfo
	}
	return s.inputs[i].TensorInfo
}

// SetShape changes the shape of input i, and with it all others; what the inputs held is lost.
func (s *Session) SetShape(i int, shape ...int) error {
	if err := s.usable(); err != nil {
		return err
	}
	if len(shape) > maxAxes {
		return fault(ErrShape, "too many axes")
	}
	if err := s.state.setShape(i, shape); err != nil {
		return err
	}
	s.spent = true
	s.locate()
	return nil
}

// Run runs the network on what the inputs hold.
func (s *Session) Run() error {
	return s.RunContext(context.Background())
}

// RunContext is Run, but stops before the next layer once the context is done. The error is ErrCancelled then, and the
// context's; the session may run again when its inputs are filled anew.
func (s *Session) RunContext(ctx context.Context) error {
	if err := s.usable(); err != nil {
		return err
	}
	if cause := ctx.Err(); cause != nil {
		return cancellation(cause)
	}
	var err error
	if done := ctx.Done(); done == nil {
		err = s.state.run()
	} else if err = s.watched(done); errors.Is(err, ErrCancelled) {
		return cancellation(ctx.Err())
	}
	s.spent = s.spent || err != nil
	runtime.KeepAlive(s)
	return err
}

// watched is a run that stops before its next layer once `done` is closed.
func (s *Session) watched(done <-chan struct{}) error {
	flag, ran, watching := s.state.flag(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-done:
			atomic.StoreInt32(flag, 1)
		case <-ran:
		}
	}()
	err := s.state.run()
	close(ran)
	<-watching
	atomic.StoreInt32(flag, 0)
	return err
}

func (s *Session) usable() error {
	if s == nil || s.state == nil {
		return fault(ErrArgument, "the session is closed")
	}
	return nil
}

func (s *Session) floats(places []place, i int) []float32 {
	if s.state == nil || i < 0 || i >= len(places) {
		return nil
	}
	return places[i].floats
}

// locate notes where the tensors lie and what shapes they have.
func (s *Session) locate() {
	s.inputs, s.outputs = s.state.places(kindInput), s.state.places(kindOutput)
}
