package digits

import (
	"image"
	"image/color"
	"testing"
)

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
