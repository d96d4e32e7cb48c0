package route

import "testing"

func TestClassOfAPath(t *testing.T) {
	cs := PathClasses{{"/api", 1}, {"/api/v2/", 2}, {"/", 3}, {"/api/v2/slow", 4}}
	for path, want := range map[string]uint16{
		"/api": 1, "/api/": 1, "/api/v1": 1, "/apis": 3, "/api/v2": 1, "/api/v2/": 2, "/api/v2/x": 2,
		"/api/v2/slow": 4, "/api/v2/slow/er": 4, "/api/v2/slower": 2, "/": 3, "": 0, "*": 0,
	} {
		if got := cs.Of(path); got != want {
			t.Errorf("%q has class %d, want %d", path, got, want)
		}
	}
	if got := (PathClasses{{"", 7}}).Of("*"); got != 7 {
		t.Errorf("class of * under the empty prefix: %d, want 7", got)
	}
	if got := PathClasses(nil).Of("/"); got != 0 {
		t.Errorf("class without prefixes: %d, want 0", got)
	}
}
