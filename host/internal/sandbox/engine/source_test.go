package engine

import (
	"strings"
	"testing"
)

// FuzzParams: what is accepted is one line that says what it was given.
func FuzzParams(f *testing.F) {
	f.Add("half_life", "30s")
	f.Add("a=b", "c")
	f.Add("", "\n")
	f.Fuzz(func(t *testing.T, key, value string) {
		b, err := paramLines(map[string]string{key: value})
		if err != nil {
			return
		}
		k, v, ok := strings.Cut(string(b), "=")
		if !ok || k != key || v != value+"\n" || strings.Count(v, "\n") != 1 {
			t.Errorf("%q=%q became %q", key, value, b)
		}
	})
}
