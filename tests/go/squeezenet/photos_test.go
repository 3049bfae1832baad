package squeezenet

import (
	"bytes"
	"fmt"
	"image"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// photo reads a picture of rows of RGB after the line of the head that is "255".
func photo(t *testing.T, path string) image.Image {
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var width, height int
	if _, err := fmt.Sscanf(string(file[:20]), "P6\n%d %d\n", &width, &height); err != nil {
		t.Fatal(err)
	}
	_, pixels, _ := bytes.Cut(file, []byte("\n255\n"))
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := 0; i < width*height; i++ {
		copy(picture.Pix[4*i:], pixels[3*i:3*i+3])
		picture.Pix[4*i+3] = 255
	}
	return picture
}

func ramp() []float32 {
	x := make([]float32, Input0Size)
	for i := range x {
		x[i] = float32(i*7919%251 - 125)
	}
	return x
}

// TestPhotos compares with testdata/squeezenet.txt, whose head says what its numbers are.
func TestPhotos(t *testing.T) {
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text, err := os.ReadFile("testdata/squeezenet.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		lines++
		words := strings.Fields(line)
		scores := make([]float32, Output0Size)
		if words[0] == "ramp" {
			results, err := m.Run(map[string][]float32{Input0: ramp()})
			if err != nil {
				t.Fatal(err)
			}
			copy(scores, results[Output0])
		} else {
			best, err := m.Classify(photo(t, "testdata/"+words[0]+".ppm"), len(scores))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range best {
				scores[p.Class] = p.Score
			}
		}
		order := make([]int, len(scores))
		var sum, squares float64
		for i, p := range scores {
			order[i] = i
			sum += float64(p) * float64(i) / 1000
			squares += float64(p) * float64(p)
		}
		sort.Slice(order, func(a, b int) bool { return scores[order[a]] > scores[order[b]] })
		var got []float64
		for _, class := range order[:5] {
			got = append(got, float64(class), float64(scores[class]))
		}
		for i, g := range append(got, sum, squares) {
			wanted, err := strconv.ParseFloat(words[i+1], 64)
			if err != nil {
				t.Fatal(err)
			}
			if d := g - wanted; !(d <= 1e-4 && d >= -1e-4) {
				t.Errorf("%s: number %d is %g, not %g", words[0], i, g, wanted)
			}
		}
	}
	if lines != 5 {
		t.Fatal(lines, "lines")
	}
}
