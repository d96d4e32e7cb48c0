package engine

import (
	"testing"

	"idlehost/host/internal/sandbox/wasmtest"
)

func TestWantsCloseIsWhatTheGuestExports(t *testing.T) {
	e, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for name, tt := range map[string]struct {
		guest wasmtest.Module
		want  bool
	}{
		"without on_close": {wasmtest.Guest(), false},
		"with on_close":    {wasmtest.Guest(wasmtest.Func{Export: "on_close"}), true},
	} {
		p, err := e.Load(t.Context(), Source{Name: name, Wasm: tt.guest.Bytes()})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.WantsClose(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
