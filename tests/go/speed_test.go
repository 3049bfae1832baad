package digits

import "testing"

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
