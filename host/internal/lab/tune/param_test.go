package tune

import (
	"slices"
	"strings"
	"testing"
)

func TestParams(t *testing.T) {
	for _, c := range []struct {
		text, scale string
		n           int
		begin, end  []string
	}{
		{"quantile=0.5..0.99", "linear", 246, []string{"0.5", "0.502", "0.504"}, []string{"0.988", "0.99"}},
		{"q=0.9..0.95", "linear", 51, []string{"0.9", "0.901"}, []string{"0.949", "0.95"}},
		{"q=0.99991..0.99999", "linear", 9, []string{"0.99991"}, []string{"0.99999"}},
		{"prior=1..50", "log", 40, []string{"1", "2", "3"}, []string{"49", "50"}},
		{"prior=lin:1..50", "linear", 50, []string{"1", "2"}, []string{"49", "50"}},
		{"n=0..1", "linear", 2, []string{"0", "1"}, []string{"1"}},
		{"n=-3..2", "linear", 6, []string{"-3", "-2"}, []string{"2"}},
		{"n=-7..1000", "linear", 203, []string{"-7", "-5", "0", "5"}, []string{"995", "1000"}},
		{"x=-0.5..0.5", "linear", 201, []string{"-0.5", "-0.495"}, []string{"0.5"}},
		{"lambda=0.0..1", "linear", 201, []string{"0", "0.005"}, []string{"0.995", "1"}},
		{"look=1s..5m", "log", 120, []string{"1s", "1050ms", "1100ms"}, []string{"287s", "5m"}},
		{"look=0..5m", "linear", 151, []string{"0ms", "2s"}, []string{"298s", "5m"}},
		{"look=30s..90s", "linear", 121, []string{"30s", "30500ms"}, []string{"89500ms", "90s"}},
		{"look=log:10s..20s", "log", 16, []string{"10s", "10500ms"}, []string{"19600ms", "20s"}},
		{"look=59m..61m", "linear", 241, []string{"59m", "3540500ms", "3541s"}, []string{"3659500ms", "61m"}},
		{"mode={random,deterministic}", "set", 2, []string{"random"}, []string{"deterministic"}},
	} {
		p, err := ParseParam(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if p.Scale != c.scale || len(p.Values) != c.n || p.Unordered != (c.scale == "set") {
			t.Errorf("%s: %s of %d values %v", c.text, p.Scale, len(p.Values), p.Values)
		}
		if !slices.Equal(p.Values[:len(c.begin)], c.begin) || !slices.Equal(p.Values[len(p.Values)-len(c.end):], c.end) {
			t.Errorf("%s: %v", c.text, p.Values)
		}
	}
}

func TestParamsThatAreNone(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "want NAME=LOW..HIGH"},
		{"quantile", "want NAME=LOW..HIGH"},
		{"=1..2", "want NAME=LOW..HIGH"},
		{"a b=1..2", "no blanks"},
		{"q=0.5", "want LOW..HIGH"},
		{"q=0.5..", "want a number"},
		{"q=..", "want a number"},
		{"q=.5..1", "want a number"},
		{"q=0.5..x", `"x"`},
		{"q=1e3..1e4", "want a number"},
		{"q=+1..2", "want a number"},
		{"q=1_0..20", "want a number"},
		{"q=0.-5..1", "want a number"},
		{"q=2..1", "not below"},
		{"q=1..1", "not below"},
		{"q=1s..1000ms", "not below"},
		{"q=log:0..5", "above 0"},
		{"q=1..5m", "has a unit"},
		{"q=1us..5m", "want a duration"},
		{"q=-1s..5m", "want a duration"},
		{"q=1.5s..5m", "want a duration"},
		{"q=1s..99999999999h", "want a duration"},
		{"q=1..99999999999999", "want a number"},
		{"q=0.1234567891..1", "more than 9"},
		{"q={a}", "2 to 64"},
		{"q={a,a}", "twice"},
		{"q={a,}", "empty"},
		{"q={a,b", "want {A,B"},
		{"q={" + strings.Repeat("a,", 3) + "b}", "twice"},
	} {
		if p, err := ParseParam(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", c.text, p, err, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	p, err := ParseParam("n=0..99")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.spread(5); !slices.Equal(got, []int{0, 25, 50, 74, 99}) {
		t.Error(got)
	}
	if got := p.spread(1000); len(got) != 100 || got[0] != 0 || got[99] != 99 {
		t.Error(got)
	}
	if got := p.spread(1); !slices.Equal(got, []int{49}) {
		t.Error(got)
	}
}

// FuzzParseParam: whatever is accepted is a list of different values in the
// unit it was written in, whose ends are those that were asked for.
func FuzzParseParam(f *testing.F) {
	for _, seed := range []string{"q=0.5..0.99", "n=1..50", "look=log:1s..5m", "m={a,b}", "x=-3..2", "x=0..5m", "x=lin:0.001..900"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseParam(text)
		if err != nil {
			return
		}
		if len(p.Values) < 2 || len(p.Values) > 1000 {
			t.Fatalf("%q: %d values", text, len(p.Values))
		}
		seen := map[string]bool{}
		for _, v := range p.Values {
			if seen[v] {
				t.Fatalf("%q: %q twice", text, v)
			}
			seen[v] = true
		}
		if p.Unordered {
			return
		}
		_, err = ParseParam(p.Name + "=" + p.Values[0] + ".." + p.Values[len(p.Values)-1])
		if err != nil {
			t.Fatalf("%q: its ends %q and %q are no range: %v", text, p.Values[0], p.Values[len(p.Values)-1], err)
		}
	})
}
