package digits

import (
	"errors"
	"image"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestFaultsHaveCodes(t *testing.T) {
	m := open(t)
	closed, _ := Open()
	closed.Close()
	closed.Close()
	var none *Model
	damaged, err := os.ReadFile("testdata/digits.amg")
	if err != nil {
		t.Fatal(err)
	}
	weights := append([]byte(nil), damaged...)
	weights[len(weights)-1] ^= 0x55
	file := filepath.Join(t.TempDir(), "damaged.amg")
	if err := os.WriteFile(file, weights, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged[300] ^= 0x55
	x := make([]float32, Input0Size)
	run := func(m *Model, name string, x []float32) error {
		_, err := m.Run(map[string][]float32{name: x})
		return err
	}
	with := func(o Options) error {
		_, err := OpenWith(o)
		return err
	}
	tensors := func(shape []int, floats []float32, ints []int64) error {
		_, err := m.RunTensors(map[string]Tensor{Input0: {shape, floats, ints}})
		return err
	}
	classify := func(p image.Image, k int) error {
		_, err := m.Classify(p, k)
		return err
	}
	foreign := 5 // NEON
	if runtime.GOARCH == "arm64" {
		foreign = 4 // AVX-512
	}
	for _, c := range []struct {
		what string
		err  error
		code Code
		says string
	}{
		{"short input", run(m, Input0, x[:63]), ErrShape, "[1 1 8 8]"},
		{"nil input", run(m, Input0, nil), ErrShape, "got 0"},
		{"another name", run(m, "nothing", x), ErrArgument, "'nothing'"},
		{"no input", run(m, "", x), ErrArgument, "there are [" + Input0},
		{"closed model", run(closed, Input0, x), ErrArgument, "closed"},
		{"nil model", run(none, Input0, x), ErrArgument, "nil"},
		{"wrong type", tensors(nil, nil, make([]int64, 64)), ErrShape, "float32"},
		{"wrong rank", tensors([]int{64}, x, nil), ErrShape, "axes"},
		{"too many axes", tensors(make([]int, 9), x, nil), ErrShape, "axes"},
		{"wrong shape", tensors([]int{1, 2, 8, 8}, append(x, x...), nil), ErrShape, ""},
		{"zero shape", tensors([]int{0, 1, 8, 8}, nil, nil), ErrShape, ""},
		{"no picture", classify(nil, 1), ErrArgument, "empty"},
		{"empty picture", classify(image.NewGray(image.Rect(3, 3, 3, 9)), 1), ErrArgument, "empty"},
		{"negative k", classify(image.NewGray(image.Rect(0, 0, 8, 8)), -1), ErrArgument, "negative"},
		{"no file", with(Options{Path: "testdata/nothing.amg"}), ErrFile, "nothing.amg"},
		{"not a model", with(Options{Path: "testdata/golden.txt"}), ErrFormat, "magic"},
		{"no bytes", with(Options{Data: []byte{}}), ErrFormat, ""},
		{"damaged", with(Options{Data: damaged}), ErrChecksum, ""},
		{"damaged weights", with(Options{Data: weights}), ErrChecksum, "weights"},
		{"damaged file", with(Options{Path: file}), ErrChecksum, "weights"},
		{"cut off", with(Options{Data: damaged[:30]}), ErrFormat, ""},
		{"too many threads", run(opened(t, Options{Threads: 1 << 20}), Input0, x), ErrArgument, ""},
		{"another processor's instructions", run(opened(t, Options{ISA: foreign}), Input0, x), ErrUnsupported, ""},
	} {
		var e *Error
		if !errors.Is(c.err, c.code) || !errors.As(c.err, &e) || e.Code != c.code {
			t.Errorf("%s: %v, want code %d", c.what, c.err, c.code)
		} else if !strings.Contains(c.err.Error(), c.says) {
			t.Errorf("%s: %v says nothing of %q", c.what, c.err, c.says)
		}
	}
	if err := run(m, Input0, x); err != nil {
		t.Fatal("the model is of no use any more:", err)
	}
}
