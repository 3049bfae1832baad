package amalgamated

import (
	"context"
	"fmt"
	"runtime"
)

// Tensor is an array: Floats or Ints hold its elements, the last axis varying fastest.
type Tensor struct {
	Shape  []int // nil: the shape that the model was built with
	Floats []float32
	Ints   []int64
}

// Run gives every float32 output for the inputs, all at the shapes that the model was built with.
func (m *Model) Run(inputs map[string][]float32) (map[string][]float32, error) {
	return m.RunContext(context.Background(), inputs)
}

// RunContext is Run, but stops before the next layer once the context is done. The error is ErrCancelled then, and the
// context's: errors.Is finds both.
func (m *Model) RunContext(ctx context.Context, inputs map[string][]float32) (map[string][]float32, error) {
	s, err := m.acquire()
	if err != nil {
		return nil, err
	}
	defer m.release(s)
	if err := named(m.inputs, inputs); err != nil {
		return nil, err
	}
	for _, place := range s.inputs {
		if err := place.fill(Tensor{Floats: inputs[place.Name]}); err != nil {
			return nil, err
		}
	}
	if err := s.RunContext(ctx); err != nil {
		return nil, err
	}
	results := make(map[string][]float32, len(s.outputs))
	for _, place := range s.outputs {
		if place.DType == Float32 {
			results[place.Name] = append([]float32(nil), place.floats...)
		}
	}
	runtime.KeepAlive(m)
	return results, nil
}

// RunTensors gives every output for inputs of any type and of any shape that the network takes, a batch for instance.
func (m *Model) RunTensors(inputs map[string]Tensor) (map[string]Tensor, error) {
	return m.RunTensorsContext(context.Background(), inputs)
}

// RunTensorsContext is RunTensors, but stops as RunContext does.
func (m *Model) RunTensorsContext(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error) {
	s, err := m.acquire()
	if err != nil {
		return nil, err
	}
	defer m.release(s)
	if err := named(m.inputs, inputs); err != nil {
		return nil, err
	}
	for i, info := range m.inputs {
		if shape := inputs[info.Name].Shape; shape != nil && !equal(shape, info.Shape) {
			if err := s.SetShape(i, shape...); err != nil {
				return nil, err
			}
		}
	}
	for _, place := range s.inputs {
		if err := place.fill(inputs[place.Name]); err != nil {
			return nil, err
		}
	}
	if err := s.RunContext(ctx); err != nil {
		return nil, err
	}
	results := make(map[string]Tensor, len(s.outputs))
	for _, place := range s.outputs {
		results[place.Name] = Tensor{
			place.Shape, append([]float32(nil), place.floats...), append([]int64(nil), place.ints...),
		}
	}
	runtime.KeepAlive(m)
	return results, nil
}

// named holds what is given to the names of the inputs: all of them, and no other.
func named[T any](infos []TensorInfo, given map[string]T) error {
	for name := range given {
		if !contains(infos, name) {
			names := make([]string, len(infos))
			for i, info := range infos {
				names[i] = info.Name
			}
			return fault(ErrArgument, fmt.Sprintf("there is no input '%s'; there are %v", name, names))
		}
	}
	for _, info := range infos {
		if _, ok := given[info.Name]; !ok {
			return fault(ErrArgument, fmt.Sprintf("input '%s' is missing", info.Name))
		}
	}
	return nil
}

func (p place) fill(from Tensor) error {
	if len(from.Floats) != len(p.floats) || len(from.Ints) != len(p.ints) {
		got := fmt.Sprintf("%d of float32", len(from.Floats))
		if from.Ints != nil {
			got = fmt.Sprintf("%d of int64", len(from.Ints))
		}
		kind := map[DType]string{Float32: "float32", Int64: "int64"}[p.DType]
		return fault(ErrShape, fmt.Sprintf("input '%s' expects %v, %d of %s, got %s", p.Name, p.Shape, p.Size(), kind, got))
	}
	copy(p.floats, from.Floats)
	copy(p.ints, from.Ints)
	return nil
}

func contains(infos []TensorInfo, name string) bool {
	for _, info := range infos {
		if info.Name == name {
			return true
		}
	}
	return false
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
