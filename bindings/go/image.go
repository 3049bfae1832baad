package amalgamated

/*
#include "amg.h"
*/
import "C"

import (
	"image"
	"image/draw"
	"runtime"
	"strconv"
	"unsafe"
)

// Prediction is a class: its label (its number where the model has no labels), its score, and its number.
type Prediction struct {
	Label string
	Score float32
	Class int
}

// Classify gives the k best classes of a picture of any size, best first.
func (m *Model) Classify(picture image.Image, k int) ([]Prediction, error) {
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
	pixels, stride, format := bytesOf(picture)
	size := picture.Bounds().Size()
	status := C.amg_set_image(s.pointer, 0, unsafe.Pointer(&pixels[0]), C.int32_t(size.X), C.int32_t(size.Y),
		C.int32_t(stride), format)
	if err := s.check(status); err != nil {
		return nil, err
	}
	if err := s.Run(); err != nil {
		return nil, err
	}
	if most := len(s.Output(0)); k > most {
		k = most
	}
	classes, scores := make([]C.int32_t, k+1), make([]C.float, k+1)
	found := C.amg_topk(s.pointer, 0, C.int32_t(k), &classes[0], &scores[0])
	if err := s.check(found); err != nil {
		return nil, err
	}
	best := make([]Prediction, found)
	for i := range best {
		class := int(classes[i])
		best[i] = Prediction{m.Label(class), float32(scores[i]), class}
		if best[i].Label == "" {
			best[i].Label = strconv.Itoa(class)
		}
	}
	runtime.KeepAlive(m)
	return best, nil
}

// bytesOf gives rows of pixels, the bytes from one to the next, and their format. Colours are taken without their alpha.
func bytesOf(picture image.Image) ([]byte, int, C.int32_t) {
	bounds := picture.Bounds()
	switch p := picture.(type) {
	case *image.Gray:
		return p.Pix[p.PixOffset(bounds.Min.X, bounds.Min.Y):], p.Stride, C.AMG_GRAY8
	case *image.NRGBA:
		return p.Pix[p.PixOffset(bounds.Min.X, bounds.Min.Y):], p.Stride, C.AMG_RGBA8
	}
	whole := image.Rect(0, 0, bounds.Dx(), bounds.Dy())
	if p, ok := picture.(interface{ Opaque() bool }); ok && p.Opaque() { // then alpha is multiplied in by 1
		copied := image.NewRGBA(whole)
		draw.Draw(copied, whole, picture, bounds.Min, draw.Src)
		return copied.Pix, copied.Stride, C.AMG_RGBA8
	}
	copied := image.NewNRGBA(whole)
	draw.Draw(copied, whole, picture, bounds.Min, draw.Src)
	return copied.Pix, copied.Stride, C.AMG_RGBA8
}
