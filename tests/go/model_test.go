package digits

import (
	"bufio"
	"errors"
	"image"
	"image/color"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// vector is a line of golden.txt: 64 pixels of 0 to 255, the digit that they show, and the 10 scores.
type vector struct {
	pixels []byte
	label  int
	scores []float32
}

func (v vector) floats() []float32 {
	x := make([]float32, len(v.pixels))
	for i, p := range v.pixels {
		x[i] = float32(p) / 255
	}
	return x
}

func (v vector) picture() *image.Gray {
	return &image.Gray{Pix: v.pixels, Stride: 8, Rect: image.Rect(0, 0, 8, 8)}
}

func golden(t *testing.T) []vector {
	file, err := os.Open("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []vector
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		var v vector
		for i, word := range words {
			number, err := strconv.ParseFloat(word, 32)
			switch {
			case err != nil:
				t.Fatal(err)
			case i < 64:
				v.pixels = append(v.pixels, byte(number))
			case i == 64:
				v.label = int(number)
			default:
				v.scores = append(v.scores, float32(number))
			}
		}
		all = append(all, v)
	}
	if len(all) < 20 {
		t.Fatalf("%d golden vectors", len(all))
	}
	return all
}

func open(t *testing.T) *Model {
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func near(t *testing.T, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d scores, want %d", len(got), len(want))
	}
	for i := range got {
		if d := got[i] - want[i]; d > 1e-5 || d < -1e-5 {
			t.Fatalf("score %d is %g, want %g", i, got[i], want[i])
		}
	}
}

func TestDescribesItself(t *testing.T) {
	m := open(t)
	want := []TensorInfo{{Input0, Float32, []int{1, 1, 8, 8}}}
	if got := m.Inputs(); !reflect.DeepEqual(got, want) || got[0].Size() != Input0Size {
		t.Fatalf("inputs are %v", got)
	}
	if m.Outputs()[0].Name != Output0 || m.Label(7) != "7" || m.Label(10) != "" || m.Meta("no such key") != "" {
		t.Fatal(m.Outputs(), m.Label(7))
	}
}

func TestGoldenVectors(t *testing.T) {
	m := open(t)
	for _, v := range golden(t) {
		results, err := m.Run(map[string][]float32{Input0: v.floats()})
		if err != nil {
			t.Fatal(err)
		}
		near(t, results[Output0], v.scores)
		best, err := m.Classify(v.picture(), 10)
		if err != nil {
			t.Fatal(err)
		}
		sorted := make([]float32, 10)
		for _, p := range best {
			sorted[p.Class] = p.Score
		}
		near(t, sorted, v.scores)
		if best[0].Label != strconv.Itoa(best[0].Class) || best[0].Score < best[1].Score {
			t.Fatal(best)
		}
	}
}

func TestPicturesOfEveryKind(t *testing.T) {
	m := open(t)
	gray := golden(t)[0].picture()
	want, err := m.Classify(gray, 3)
	if err != nil {
		t.Fatal(err)
	}
	wide := image.NewGray(image.Rect(0, 0, 20, 12)) // the picture as a part of a larger one
	rgba, nrgba := image.NewRGBA(gray.Rect), image.NewNRGBA(gray.Rect)
	for y := 0; y < 8; y++ {
		for x := 0; x < 8; x++ {
			g := gray.GrayAt(x, y)
			wide.SetGray(x+5, y+3, g)
			rgba.Set(x, y, g)
			nrgba.Set(x, y, color.NRGBA{g.Y, g.Y, g.Y, 255})
		}
	}
	part := wide.SubImage(image.Rect(5, 3, 13, 11))
	for _, picture := range []image.Image{part, rgba, nrgba, gray.SubImage(gray.Rect)} {
		got, err := m.Classify(picture, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if got[i].Class != want[i].Class || got[i].Score-want[i].Score > 1e-5 {
				t.Fatalf("%T: %v, want %v", picture, got, want)
			}
		}
	}
}

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

func TestManyGoroutines(t *testing.T) {
	m := open(t)
	vectors := golden(t)
	var want [][]float32
	for _, v := range vectors {
		results, err := m.Run(map[string][]float32{Input0: v.floats()})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, results[Output0])
	}
	var group sync.WaitGroup
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func(g int) {
			defer group.Done()
			for i := 0; i < 200; i++ {
				n := (i + g) % len(vectors)
				results, err := m.Run(map[string][]float32{Input0: vectors[n].floats()})
				if err != nil || !reflect.DeepEqual(results[Output0], want[n]) {
					t.Errorf("goroutine %d, run %d: %v %v", g, i, results, err)
					return
				}
			}
		}(g)
	}
	group.Wait()
}

func TestCloseWhileRunning(t *testing.T) {
	for round := 0; round < 20; round++ {
		m, err := Open()
		if err != nil {
			t.Fatal(err)
		}
		x := map[string][]float32{Input0: make([]float32, Input0Size)}
		var group sync.WaitGroup
		for g := 0; g < 4; g++ {
			group.Add(1)
			go func() {
				defer group.Done()
				for i := 0; i < 100; i++ {
					if _, err := m.Run(x); err != nil {
						if !errors.Is(err, ErrArgument) {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		m.Close()
		group.Wait()
		if m.pointer != nil || m.live != 0 {
			t.Fatal("something is left")
		}
	}
}

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
		{"cut off", with(Options{Data: damaged[:30]}), ErrFormat, ""},
		{"too many threads", run(opened(t, Options{Threads: 1 << 20}), Input0, x), ErrArgument, ""},
		{"another processor's instructions", run(opened(t, Options{ISA: 6}), Input0, x), ErrUnsupported, ""},
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

func opened(t *testing.T, o Options) *Model {
	m, err := OpenWith(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestAnotherFileOfTheModel(t *testing.T) {
	v := golden(t)[0]
	data, err := os.ReadFile("testdata/digits.amg")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Path: "testdata/digits.amg"}, {Data: data}} {
		results, err := opened(t, o).Run(map[string][]float32{Input0: v.floats()})
		if err != nil {
			t.Fatal(err)
		}
		near(t, results[Output0], v.scores)
	}
}

// resident is the memory of this process in KiB.
func resident(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	size, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func TestCyclesKeepNoMemory(t *testing.T) {
	x := map[string][]float32{Input0: make([]float32, Input0Size)}
	cycles := func(closing bool) {
		for i := 0; i < 1000; i++ {
			m, err := Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run(x); err != nil {
				t.Fatal(err)
			}
			if closing {
				m.Close()
			} else if i%50 == 49 {
				runtime.GC() // what is forgotten is closed by its finalizer, in a goroutine of the runtime
				time.Sleep(time.Millisecond)
			}
		}
	}
	for _, closing := range []bool{true, false} {
		cycles(closing)
		before := resident(t)
		cycles(closing)
		if grown := resident(t) - before; grown > 4096 {
			t.Fatalf("closing %v: %d KiB more after 1,000 cycles", closing, grown)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	m, err := Open()
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	x := map[string][]float32{Input0: make([]float32, Input0Size)}
	for i := 0; i < b.N; i++ {
		if _, err := m.Run(x); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRunParallel(b *testing.B) {
	m, err := Open()
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	b.RunParallel(func(each *testing.PB) {
		x := map[string][]float32{Input0: make([]float32, Input0Size)}
		for each.Next() {
			if _, err := m.Run(x); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSession(b *testing.B) {
	m, err := Open()
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < b.N; i++ {
		if err := s.Run(); err != nil {
			b.Fatal(err)
		}
	}
}
