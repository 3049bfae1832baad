package digits

import (
	"bufio"
	"image"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
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
	return opened(t, Options{})
}

func opened(t *testing.T, o Options) *Model {
	m, err := OpenWith(o)
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
