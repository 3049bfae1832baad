//go:build !cgo

package amalgamated

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"unsafe"

	"github.com/tetratelabs/wazero/api"
)

// handle is a model of the runtime, which is a WebAssembly module where there is no cgo.
type handle struct {
	data   []byte // of the .amg file, which each instance copies
	labels []string
	spare  *instance // one that has the model open and no session, or nil
}

// state is a session of the runtime, in an instance of its own: an instance belongs to one goroutine at a time.
type state struct {
	*instance
	session uint64
	inputs  []mirror
	outputs []mirror
}

// mirror is a tensor in Go's memory, and where it lies in the instance's, which may move and is little-endian everywhere.
type mirror struct {
	place
	at uint32
}

func newHandle(o Options) (*handle, error) {
	h := &handle{data: weights}
	if o.Path != "" {
		read, err := os.ReadFile(o.Path)
		if err == nil && len(read) == 0 {
			err = errors.New(o.Path + " is empty")
		}
		if err != nil {
			return nil, fault(ErrFile, err.Error())
		}
		h.data = read
	} else if o.Data != nil {
		h.data = append([]byte(nil), o.Data...)
	}
	i, err := h.take()
	if err != nil {
		return nil, err
	}
	for at := i.call("label", i.model, 0); at != 0; at = i.call("label", i.model, i32(len(h.labels))) {
		h.labels = append(h.labels, i.text(at))
	}
	h.spare = i
	return h, nil
}

func (h *handle) close() {
	if h.spare != nil {
		h.spare.close()
	}
}

// take gives the spare instance, or a new one.
func (h *handle) take() (*instance, error) {
	if i := h.spare; i != nil {
		h.spare = nil
		return i, nil
	}
	i, err := start()
	if err != nil {
		return nil, err
	}
	at, err := i.put(h.data)
	if err == nil {
		if i.model = i.call("open", at, uint64(len(h.data))); i.model == 0 {
			err = i.failure(i.text(i.call("message")))
		}
	}
	if err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// give takes an instance back that no session uses any more.
func (h *handle) give(i *instance) {
	if h.spare != nil || i.trap != nil {
		i.close()
	} else {
		h.spare = i
	}
}

// tensors describes the inputs or outputs at the shapes that the model was built with.
func (h *handle) tensors(kind int) []TensorInfo {
	all := make([]TensorInfo, h.spare.call("count", h.spare.model, i32(kind)))
	for n := range all {
		h.spare.call("info", h.spare.model, i32(kind), i32(n))
		all[n] = h.spare.info()
	}
	return all
}

func (h *handle) label(class int) string {
	if class < 0 || class >= len(h.labels) {
		return ""
	}
	return h.labels[class]
}

func (h *handle) meta(key string) string {
	i, err := h.take()
	if err != nil {
		return ""
	}
	defer h.give(i)
	at, err := i.put(append([]byte(key), 0))
	if err != nil {
		return ""
	}
	defer i.call("release", at)
	return i.text(i.call("meta", i.model, at))
}

func (h *handle) newState(threads, isa int) (*state, error) {
	i, err := h.take()
	if err != nil {
		return nil, err
	}
	session := i.call("session", i.model, i32(threads), i32(isa))
	if session == 0 {
		err := i.failure("")
		h.give(i)
		return nil, err
	}
	return &state{instance: i, session: session}, nil
}

func (h *handle) free(s *state) {
	s.call("session_free", s.session)
	h.give(s.instance)
}

// places says where the inputs or outputs lie.
func (s *state) places(kind int) []place {
	count := s.call("count", s.model, i32(kind))
	mirrors, all := make([]mirror, count), make([]place, count)
	for n := range all {
		s.call("describe", s.session, i32(kind), i32(n))
		all[n].TensorInfo = s.info()
		if all[n].DType == Int64 {
			all[n].ints = make([]int64, all[n].Size())
		} else {
			all[n].floats = make([]float32, all[n].Size())
		}
		mirrors[n] = mirror{all[n], uint32(s.call("data", s.session, i32(kind), i32(n)))}
	}
	if kind == kindInput {
		s.inputs = mirrors
	} else {
		s.outputs = mirrors
	}
	return all
}

func (s *state) setShape(input int, shape []int) error {
	dims := make([]byte, 8*len(shape)+1)
	for axis, d := range shape {
		binary.LittleEndian.PutUint64(dims[8*axis:], math.Float64bits(float64(d)))
	}
	at, err := s.put(dims)
	if err != nil {
		return err
	}
	defer s.call("release", at)
	return s.check(s.call("set_shape", s.session, i32(input), at, i32(len(shape))))
}

func (s *state) setImage(input int, p pixels) error {
	at, err := s.put(p.bytes)
	if err != nil {
		return err
	}
	defer s.call("release", at)
	err = s.check(s.call("set_image", s.session, i32(input), at, i32(p.size.X), i32(p.size.Y), i32(p.stride), i32(p.format)))
	if err == nil {
		s.inputs[input].load(s.memory)
	}
	return err
}

// flag is where a number lies that has a run stop before its next layer if it is not 0, until the memory grows.
func (s *state) flag() *int32 {
	four, _ := s.memory.Read(uint32(s.call("stop")), 4)
	return (*int32)(unsafe.Pointer(&four[0]))
}

func (s *state) run() error {
	for _, m := range s.inputs {
		m.store(s.memory)
	}
	if err := s.check(s.call("run", s.session)); err != nil {
		return err
	}
	for _, m := range s.outputs {
		m.load(s.memory)
	}
	return nil
}

// top gives the k largest values of an output, best first: their indices and the values.
func (s *state) top(output, k int) ([]int, []float32, error) {
	at, err := s.put(make([]byte, 8*k+1))
	if err != nil {
		return nil, nil, err
	}
	defer s.call("release", at)
	found := s.call("topk", s.session, i32(output), i32(k), at, at+4*uint64(k))
	if err := s.check(found); err != nil {
		return nil, nil, err
	}
	indices, values := make([]int, found), make([]float32, found)
	for n := range indices {
		index, _ := s.memory.ReadUint32Le(uint32(at) + uint32(4*n))
		indices[n] = int(index)
		values[n], _ = s.memory.ReadFloat32Le(uint32(at) + uint32(4*(k+n)))
	}
	return indices, values, nil
}

// check is the error of a status that a function of the session returned.
func (s *state) check(status uint64) error {
	if s.trap != nil {
		return fault(ErrMemory, s.trap.Error())
	}
	if code := Code(api.DecodeI32(status)); code < 0 {
		return fault(code, s.text(s.call("errmsg", s.session)))
	}
	return nil
}

// load reads the tensor from the instance's memory.
func (m mirror) load(memory api.Memory) {
	bytes, _ := memory.Read(m.at, uint32(4*len(m.floats)+8*len(m.ints)))
	for n := range m.floats {
		m.floats[n] = math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*n:]))
	}
	for n := range m.ints {
		m.ints[n] = int64(binary.LittleEndian.Uint64(bytes[8*n:]))
	}
}

// store writes the tensor into the instance's memory.
func (m mirror) store(memory api.Memory) {
	bytes, _ := memory.Read(m.at, uint32(4*len(m.floats)+8*len(m.ints)))
	for n, value := range m.floats {
		binary.LittleEndian.PutUint32(bytes[4*n:], math.Float32bits(value))
	}
	for n, value := range m.ints {
		binary.LittleEndian.PutUint64(bytes[8*n:], uint64(value))
	}
}
