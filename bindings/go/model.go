package amalgamated

/*
#cgo CFLAGS: -O2
#cgo !windows LDFLAGS: -lm
#include "amg.h"
#include <stdlib.h>

static int32_t open_model(const void *data, size_t size, const char *path, uint32_t flags, char *said, size_t room,
                          amg_model **out)
{
    amg_options options = {0};
    options.struct_size = sizeof options;
    options.data = data;
    options.size = size;
    options.errbuf = said;
    options.errbuf_size = room;
    options.flags = flags;
    return path ? amg_open_file(path, &options, out) : amg_open(&options, out);
}
*/
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// DType is the type of a tensor's elements.
type DType int32

const (
	Float32 DType = C.AMG_F32
	Int64   DType = C.AMG_I64
)

// TensorInfo describes an input or output.
type TensorInfo struct {
	Name  string
	DType DType
	Shape []int
}

// Size is the number of elements.
func (t TensorInfo) Size() int {
	return product(t.Shape)
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

	mutex   sync.Mutex
	pointer *C.amg_model // nil once closed and no session is left
	closed  bool
	live    int // sessions that exist, idle or not
	idle    []*Session
}

// Open opens the model of this package.
func Open() (*Model, error) {
	return OpenWith(Options{})
}

// OpenWith opens the model of this package, or another one, with options.
func OpenWith(o Options) (*Model, error) {
	m := &Model{&core{options: o}}
	var said [512]C.char
	var path *C.char
	var data unsafe.Pointer
	bytes, flags := weights, C.uint32_t(0)
	if o.Data != nil {
		bytes, flags = o.Data, C.AMG_OPEN_COPY
	}
	if len(bytes) > 0 {
		data = unsafe.Pointer(&bytes[0])
		if uintptr(data)%64 != 0 { // the package's own weights are static data, used where they lie if they lie well
			flags = C.AMG_OPEN_COPY
		}
	} else if o.Data != nil {
		return nil, fault(ErrFormat, "there are no bytes")
	}
	if o.Path != "" {
		path = C.CString(o.Path)
		defer C.free(unsafe.Pointer(path))
	}
	status := C.open_model(data, C.size_t(len(bytes)), path, flags, &said[0], C.size_t(len(said)), &m.pointer)
	if status != C.AMG_OK {
		return nil, fault(Code(status), C.GoString(&said[0]))
	}
	m.inputs, m.outputs = m.describe(C.AMG_INPUT), m.describe(C.AMG_OUTPUT)
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
	if m.pointer == nil || class != int(C.int32_t(class)) {
		return ""
	}
	return C.GoString(C.amg_label(m.pointer, C.int32_t(class)))
}

// Meta is a text that the model carries ("name", "producer", ...), or "".
func (m *Model) Meta(key string) string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.pointer == nil {
		return ""
	}
	text := C.CString(key)
	defer C.free(unsafe.Pointer(text))
	return C.GoString(C.amg_meta(m.pointer, text))
}

func (m *core) describe(kind C.int32_t) []TensorInfo {
	all := make([]TensorInfo, C.amg_tensor_count(m.pointer, kind))
	for i := range all {
		var t C.amg_tensor
		C.amg_tensor_info(m.pointer, kind, C.int32_t(i), &t)
		all[i] = infoOf(&t)
	}
	return all
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
	if m.closed || s.reshaped || len(m.idle) >= runtime.GOMAXPROCS(0) {
		m.free(s)
		m.freeIfUnused()
		return
	}
	m.idle = append(m.idle, s)
}

func (m *core) free(s *Session) {
	C.amg_session_free(s.pointer)
	s.pointer = nil
	m.live--
}

func (m *core) freeIfUnused() {
	if m.closed && m.live == 0 && m.pointer != nil {
		C.amg_close(m.pointer)
		m.pointer = nil
	}
}

func infoOf(t *C.amg_tensor) TensorInfo {
	info := TensorInfo{Name: C.GoString(t.name), DType: DType(t.dtype), Shape: make([]int, int(t.ndim))}
	for axis := range info.Shape {
		info.Shape[axis] = int(t.dims[axis])
	}
	return info
}

func product(shape []int) int {
	total := 1
	for _, d := range shape {
		total *= d
	}
	return total
}
