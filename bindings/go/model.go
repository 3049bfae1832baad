package amalgamated

import (
	"runtime"
	"sync"
)

// TensorInfo describes an input or output.
type TensorInfo struct {
	Name  string
	DType DType
	Shape []int
}

// Size is the number of elements.
func (t TensorInfo) Size() int {
	total := 1
	for _, d := range t.Shape {
		total *= d
	}
	return total
}

// Options say how to open a model; the zero value is what Open takes.
type Options struct {
	Path    string // a .amg file to open instead of the package's own model; it needs the same operators
	Data    []byte // the bytes of one; they are copied
	Threads int    // that a run may use: 0 or 1 for the calling thread alone
	ISA     int    // an instruction set as the header numbers them, to compare; 0 for the best that this machine has
}

// Model is a network. It may be used from many goroutines at once: each run takes an idle session, or makes one.
type Model struct {
	*core // apart, as a cycle of pointers through a Model would keep it from being finalized
}

// core is what a model and its sessions share.
type core struct {
	options Options
	inputs  []TensorInfo
	outputs []TensorInfo

	mutex  sync.Mutex
	handle *handle // nil once closed and no session is left
	closed bool
	live   int // sessions that exist, idle or not
	idle   []*Session
}

// Open opens the model of this package.
func Open() (*Model, error) {
	return OpenWith(Options{})
}

// OpenWith opens the model of this package, or another one, with options.
func OpenWith(o Options) (*Model, error) {
	if o.Data != nil && len(o.Data) == 0 {
		return nil, fault(ErrFormat, "there are no bytes")
	}
	opened, err := newHandle(o)
	if err != nil {
		return nil, err
	}
	o.Data = nil // they were copied
	m := &Model{&core{options: o, handle: opened}}
	m.inputs, m.outputs = opened.tensors(kindInput), opened.tensors(kindOutput)
	runtime.SetFinalizer(m, (*Model).Close)
	return m, nil
}

// Close frees the model: at once where it is idle, otherwise when the runs under way have ended and the sessions of
// NewSession are closed. Closing twice is fine. A model that is forgotten is closed by the garbage collector.
func (m *Model) Close() error {
	if m == nil {
		return nil
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.closed = true
	for _, s := range m.idle {
		m.free(s)
	}
	m.idle = nil
	m.freeIfUnused()
	runtime.SetFinalizer(m, nil)
	return nil
}

// Inputs describes the inputs at the shapes that the model was built with.
func (m *Model) Inputs() []TensorInfo {
	return append([]TensorInfo(nil), m.inputs...)
}

// Outputs describes the outputs at the shapes that the model was built with.
func (m *Model) Outputs() []TensorInfo {
	return append([]TensorInfo(nil), m.outputs...)
}

// Label is the label of a class, or "" where there is none.
func (m *Model) Label(class int) string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.handle == nil || class != int(int32(class)) {
		return ""
	}
	return m.handle.label(class)
}

// Meta is a text that the model carries ("name", "producer", ...), or "".
func (m *Model) Meta(key string) string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.handle == nil {
		return ""
	}
	return m.handle.meta(key)
}

// lock locks the mutex of a model that is open.
func (m *Model) lock() error {
	if m == nil {
		return fault(ErrArgument, "the model is nil")
	}
	m.mutex.Lock()
	if m.closed {
		m.mutex.Unlock()
		return fault(ErrArgument, "the model is closed")
	}
	return nil
}

// acquire gives an idle session at the model's default shapes, or a new one.
func (m *Model) acquire() (*Session, error) {
	if err := m.lock(); err != nil {
		return nil, err
	}
	defer m.mutex.Unlock()
	if last := len(m.idle) - 1; last >= 0 {
		s := m.idle[last]
		m.idle = m.idle[:last]
		return s, nil
	}
	return m.newSession()
}

// release takes a session back; it is kept where it may serve the next run, but never more than can run at a time.
func (m *core) release(s *Session) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.closed || s.spent || len(m.idle) >= runtime.GOMAXPROCS(0) {
		m.free(s)
		m.freeIfUnused()
		return
	}
	m.idle = append(m.idle, s)
}

func (m *core) free(s *Session) {
	m.handle.free(s.state)
	s.state = nil
	m.live--
}

func (m *core) freeIfUnused() {
	if m.closed && m.live == 0 && m.handle != nil {
		m.handle.close()
		m.handle = nil
	}
}
