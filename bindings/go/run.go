package amalgamated

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Tensor is an array: Floats or Ints hold its elements, the last axis varying fastest.
type Tensor struct {
	Shape  []int // nil: the shape that the model was built with
	Floats []float32
	Ints   []int64
}

// Run gives every float32 output for the inputs, all at the shapes that the model was built with.
func (m *Model) Run(inputs map[string][]float32) (map[string][]float32, error) {
	s, err := m.acquire()
	if err != nil {
		return nil, err
	}
	defer m.release(s)
	for name := range inputs {
		if index(m.inputs, name) < 0 {
			return nil, missing("input", name, m.inputs)
		}
	}
	for i, info := range m.inputs {
		given, ok := inputs[info.Name]
		if !ok {
			return nil, fault(ErrArgument, fmt.Sprintf("input '%s' is missing", info.Name))
		}
		place := s.Input(i)
		if place == nil {
			return nil, fault(ErrArgument, fmt.Sprintf("input '%s' holds int64: call RunTensors", info.Name))
		}
		if len(given) != len(place) {
			return nil, fault(ErrShape, expects(info, len(given)))
		}
		copy(place, given)
	}
	if err := s.Run(); err != nil {
		return nil, err
	}
	results := make(map[string][]float32, len(m.outputs))
	for i, info := range m.outputs {
		if place := s.Output(i); place != nil {
			results[info.Name] = append([]float32(nil), place...)
		}
	}
	runtime.KeepAlive(m)
	return results, nil
}

// RunTensors gives every output for inputs of any type and of any shape that the network takes, a batch for instance.
func (m *Model) RunTensors(inputs map[string]Tensor) (map[string]Tensor, error) {
	s, err := m.acquire()
	if err != nil {
		return nil, err
	}
	defer m.release(s)
	for name := range inputs {
		if index(m.inputs, name) < 0 {
			return nil, missing("input", name, m.inputs)
		}
	}
	for i, info := range m.inputs {
		given, ok := inputs[info.Name]
		if !ok {
			return nil, fault(ErrArgument, fmt.Sprintf("input '%s' is missing", info.Name))
		}
		if given.Shape != nil && !equal(given.Shape, info.Shape) {
			if err := s.SetShape(i, given.Shape...); err != nil {
				return nil, err
			}
		}
	}
	for i, info := range m.inputs {
		if err := s.inputs[i].fill(inputs[info.Name]); err != nil {
			return nil, err
		}
	}
	if err := s.Run(); err != nil {
		return nil, err
	}
	results := make(map[string]Tensor, len(s.outputs))
	for _, place := range s.outputs {
		results[place.Name] = place.copied()
	}
	runtime.KeepAlive(m)
	return results, nil
}

func (p place) fill(from Tensor) error {
	count := len(from.Floats)
	if p.DType == Int64 {
		count = len(from.Ints)
	}
	if count != p.Size() {
		return fault(ErrShape, expects(p.TensorInfo, count))
	}
	if p.DType == Int64 {
		copy(unsafe.Slice((*int64)(p.data), count), from.Ints)
	} else {
		copy(unsafe.Slice((*float32)(p.data), count), from.Floats)
	}
	return nil
}

func (p place) copied() Tensor {
	if p.DType == Int64 {
		return Tensor{Shape: p.Shape, Ints: append([]int64(nil), unsafe.Slice((*int64)(p.data), p.Size())...)}
	}
	return Tensor{Shape: p.Shape, Floats: append([]float32(nil), unsafe.Slice((*float32)(p.data), p.Size())...)}
}

func index(infos []TensorInfo, name string) int {
	for i, info := range infos {
		if info.Name == name {
			return i
		}
	}
	return -1
}

func missing(kind, name string, known []TensorInfo) error {
	names := make([]string, len(known))
	for i, info := range known {
		names[i] = info.Name
	}
	return fault(ErrArgument, fmt.Sprintf("there is no %s '%s'; there are %v", kind, name, names))
}

func expects(info TensorInfo, got int) string {
	kind := "float32"
	if info.DType == Int64 {
		kind = "int64"
	}
	return fmt.Sprintf("input '%s' expects %v, %d of %s, got %d", info.Name, info.Shape, info.Size(), kind, got)
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
