package trace

import (
	"path/filepath"
	"testing"
)

// TestFixtures reads the recordings that hosts of every version so far have
// made, by host/e2e/fixture_test.go, which says how the next one is made. A
// later version reads them to their ends, or fails and says what to do.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/live-*.trace")
	check(t, err)
	if len(files) == 0 {
		t.Fatal("no fixtures")
	}
	for _, name := range files {
		f, err := Open(name)
		check(t, err)
		if h := f.Header(); h.Origin != "live" || h.Start == 0 {
			t.Errorf("%s: header %+v", name, h)
		}
		kinds := map[Kind]int{}
		for _, r := range rest(t, f) {
			kinds[r.Kind]++
		}
		if at, why := f.Torn(); why != nil {
			t.Errorf("%s: torn at %d: %v", name, at, why)
		}
		check(t, f.Close())
		if kinds[KindOpen] < 20 || kinds[KindBegin] < 200 || kinds[KindTenant] != 1 || kinds[KindAsk] == 0 || kinds[KindAnswer] != kinds[KindAsk] || kinds[KindPolicy] < 3 {
			t.Errorf("%s: %v", name, kinds)
		}
	}
}
