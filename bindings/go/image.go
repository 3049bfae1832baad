package amalgamated

import (
	"context"
	"image"
	"image/draw"
	"runtime"
	"strconv"
)

// Prediction is a class: its label (its number where the model has no labels), its score, and its number.
type Prediction struct {
	Label string
	Score float32
	Class int
}

// pixels are rows of bytes, as the runtime takes them.
type pixels struct {
	bytes  []byte
	size   image.Point
	stride int // bytes from one row to the next
	format int
}

// Classify gives the k best classes of a picture of any size, best first.
func (m *Model) Classify(picture image.Image, k int) ([]Prediction, error) {
	return m.ClassifyContext(context.Background(), picture, k)
}

// ClassifyContext is Classify, but stops as RunContext does.
func (m *Model) ClassifyContext(ctx context.Context, picture image.Image, k int) ([]Prediction, error) {
	if picture == nil || picture.Bounds().Empty() {
		return nil, fault(ErrArgument, "the picture is empty")
	}
	if k < 0 {
		return nil, fault(ErrArgument, "k is negative")
	}
	s, err := m.acquire()
	if err != nil {
		return nil, err
	}
	defer m.release(s)
	if err := s.state.setImage(0, pixelsOf(picture)); err != nil {
		return nil, err
	}
	if err := s.RunContext(ctx); err != nil {
		return nil, err
	}
	if most := len(s.Output(0)); k > most {
		k = most
	}
	classes, scores, err := s.state.top(0, k)
	if err != nil {
		return nil, err
	}
	best := make([]Prediction, len(classes))
	for i, class := range classes {
		best[i] = Prediction{m.Label(class), scores[i], class}
		if best[i].Label == "" {
			best[i].Label = strconv.Itoa(class)
		}
	}
	runtime.KeepAlive(m)
	return best, nil
}

// pixelsOf takes colours without their alpha.
func pixelsOf(picture image.Image) pixels {
	bounds := picture.Bounds()
	switch p := picture.(type) {
	case *image.Gray:
		return pixels{p.Pix[p.PixOffset(bounds.Min.X, bounds.Min.Y):], bounds.Size(), p.Stride, gray8}
	case *image.NRGBA:
		return pixels{p.Pix[p.PixOffset(bounds.Min.X, bounds.Min.Y):], bounds.Size(), p.Stride, rgba8}
	}
	whole := image.Rect(0, 0, bounds.Dx(), bounds.Dy())
	if p, ok := picture.(interface{ Opaque() bool }); ok && p.Opaque() { // then alpha is multiplied in by 1
		copied := image.NewRGBA(whole)
		draw.Draw(copied, whole, picture, bounds.Min, draw.Src)
		return pixels{copied.Pix, bounds.Size(), copied.Stride, rgba8}
	}
	copied := image.NewNRGBA(whole)
	draw.Draw(copied, whole, picture, bounds.Min, draw.Src)
	return pixels{copied.Pix, bounds.Size(), copied.Stride, rgba8}
}
