package digits

import (
	"errors"
	"reflect"
	"testing"
)

func TestSessionWithoutCopies(t *testing.T) {
	m := open(t)
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, v := range golden(t) {
		copy(s.Input(0), v.floats())
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		near(t, s.Output(0), v.scores)
	}
	if s.Input(1) != nil || s.Output(-1) != nil {
		t.Fatal("there is one input and one output")
	}
}

func TestBatches(t *testing.T) {
	m := open(t)
	vectors := golden(t)[:3]
	var x, want []float32
	for _, v := range vectors {
		x, want = append(x, v.floats()...), append(want, v.scores...)
	}
	results, err := m.RunTensors(map[string]Tensor{Input0: {Shape: []int{3, 1, 8, 8}, Floats: x}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, results[Output0].Floats, want)
	if !reflect.DeepEqual(results[Output0].Shape, []int{3, 10}) {
		t.Fatal(results[Output0].Shape)
	}
	one, err := m.Run(map[string][]float32{Input0: vectors[0].floats()}) // the default shape is still there
	if err != nil {
		t.Fatal(err)
	}
	near(t, one[Output0], vectors[0].scores)
}

func TestSessionFaults(t *testing.T) {
	m := open(t)
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		code Code
	}{
		{s.SetShape(-1, 1, 1, 8, 8), ErrArgument},
		{s.SetShape(1, 1, 1, 8, 8), ErrArgument},
		{s.SetShape(0, 1, 3, 8, 8), ErrShape},
		{s.SetShape(0, -1, 1, 8, 8), ErrShape},
	} {
		if !errors.Is(c.err, c.code) {
			t.Errorf("%v, want code %d", c.err, c.code)
		}
	}
	v := golden(t)[1]
	copy(s.Input(0), v.floats())
	if err := s.Run(); err != nil {
		t.Fatal("the session is of no use any more:", err)
	}
	near(t, s.Output(0), v.scores)
	s.Close()
	s.Close()
	if err := s.Run(); !errors.Is(err, ErrArgument) || s.Input(0) != nil {
		t.Fatal(err)
	}
}
