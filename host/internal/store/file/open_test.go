package file_test

import (
	"testing"

	"idlehost/host/internal/store"
	"idlehost/host/internal/store/file"
)

// open opens a store that is closed with the test.
func open(t testing.TB, dir string, cfg file.Config) *file.Store {
	t.Helper()
	s, err := file.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSmoke(t *testing.T) {
	s := open(t, t.TempDir()+"/x", file.Config{})
	if err := s.Create(t.Context(), &store.Tenant{Name: "a"}, store.Entry{Action: "x", Tenant: "a"}); err != nil {
		t.Fatal(err)
	}
	tt, err := s.Tenant(t.Context(), "a")
	t.Log(tt, err)
	es, err := s.Audit(t.Context(), "a", 0, 0)
	t.Log(es, err)
}
