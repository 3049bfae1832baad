package amalgamated

/*
#include "amg.h"

static int32_t new_session(const amg_model *m, int32_t threads, int32_t isa, amg_session **out)
{
    amg_session_options options = {0};
    options.struct_size = sizeof options;
    options.threads = threads;
    options.isa = isa;
    return amg_session_new(m, &options, out);
}
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// Session is the memory of one run at a time: fill Input, Run, read Output, without a copy. It belongs to one goroutine
// at a time.
type Session struct {
	model    *core
	pointer  *C.amg_session // nil once closed
	inputs   []place
	outputs  []place
	reshaped bool // no longer at the model's default shapes
}

// place is where a tensor lies now.
type place struct {
	TensorInfo
	data unsafe.Pointer
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
	s := &Session{model: m}
	status := C.new_session(m.pointer, C.int32_t(m.options.Threads), C.int32_t(m.options.ISA), &s.pointer)
	if status != C.AMG_OK {
		return nil, fault(Code(status), "")
	}
	m.live++
	s.locate()
	return s, nil
}

// Close frees the session, and the model if that was closed before. Closing twice is fine.
func (s *Session) Close() error {
	if s == nil || s.pointer == nil {
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
	var dims [C.AMG_MAX_NDIM]C.int64_t
	if len(shape) > len(dims) {
		return fault(ErrShape, "too many axes")
	}
	for axis, d := range shape {
		dims[axis] = C.int64_t(d)
	}
	status := C.amg_set_shape(s.pointer, C.int32_t(i), &dims[0], C.int32_t(len(shape)))
	if status == C.AMG_OK {
		s.reshaped = true
		s.locate()
	}
	return s.check(status)
}

// Run runs the network on what the inputs hold.
func (s *Session) Run() error {
	if err := s.usable(); err != nil {
		return err
	}
	err := s.check(C.amg_run(s.pointer))
	runtime.KeepAlive(s)
	return err
}

func (s *Session) usable() error {
	if s == nil || s.pointer == nil {
		return fault(ErrArgument, "the session is closed")
	}
	return nil
}

func (s *Session) check(status C.int32_t) error {
	if status < 0 {
		return fault(Code(status), C.GoString(C.amg_errmsg(s.pointer)))
	}
	return nil
}

func (s *Session) floats(places []place, i int) []float32 {
	if s.pointer == nil || i < 0 || i >= len(places) || places[i].DType != Float32 {
		return nil
	}
	return unsafe.Slice((*float32)(places[i].data), places[i].Size())
}

// locate notes where the tensors lie and what shapes they have.
func (s *Session) locate() {
	find := func(kind C.int32_t, count int) []place {
		all := make([]place, count)
		for i := range all {
			var t C.amg_tensor
			C.amg_session_tensor(s.pointer, kind, C.int32_t(i), &t)
			all[i] = place{infoOf(&t), C.amg_data(s.pointer, kind, C.int32_t(i), nil)}
		}
		return all
	}
	s.inputs = find(C.AMG_INPUT, len(s.model.inputs))
	s.outputs = find(C.AMG_OUTPUT, len(s.model.outputs))
}
