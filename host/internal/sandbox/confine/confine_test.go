package confine

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestPassed(t *testing.T) {
	const marker = "CONFINE_TEST_PASSED"
	if _, err := Passed(marker); !errors.Is(err, ErrNotStarted) {
		t.Error(err)
	}
	want := Limits{Memory: 1, AddressSpace: 2, Stack: 3, CPU: 4, FileSize: 5, Descriptors: 6, Nice: 7,
		Read: []string{"/a"}, Write: []string{"b", `"`}, Inherited: 8, parent: 9}
	t.Setenv(marker, want.pass(9))
	if got, err := Passed(marker); err != nil || !reflect.DeepEqual(got, want) {
		t.Error(got, err)
	}
	for _, bad := range []string{
		"", "1", "null", "{}", `{"Parent":1`, `{"Parent":1}}`, `{"Parent":1} {"Parent":1}`, `{"Parent":-1}`, `{"Parent":1,"Limits":{"Memory":-1}}`,
		`{"Parent":1,"Limits":{"Inherited":-1}}`, `{"Parent":1,"Limits":{"More":1}}`, `{"Parent":1e30}`,
	} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func FuzzPassed(f *testing.F) {
	f.Add(`{"Parent":1,"Limits":{"Memory":1,"Read":["/"],"Nice":10}}`)
	f.Add(`{"Parent":1}{`)
	f.Fuzz(func(t *testing.T, value string) {
		l, err := parse(value)
		if err != nil {
			return
		}
		if l.parent <= 0 || l.least() < 0 {
			t.Fatalf("%q is parsed as %+v, want a parent and no limit below 0", value, l)
		}
		if again, err := parse(l.pass(l.parent)); err != nil || !reflect.DeepEqual(normal(again), normal(l)) {
			t.Fatalf("%+v, then %+v (%v)", l, again, err)
		}
	})
}

// normal makes no difference between no list and an empty one.
func normal(l Limits) Limits {
	l.Read, l.Write = append([]string{}, l.Read...), append([]string{}, l.Write...)
	return l
}

func TestWarning(t *testing.T) {
	for _, tt := range []struct {
		missing []Measure
		want    string // "": no warning
	}{
		{nil, ""},
		{[]Measure{LandlockTCP, LandlockIPC}, ""}, // seccomp lets nobody near
		{[]Measure{NoNewPrivs}, ""},
		{[]Measure{Landlock, LandlockTCP, LandlockIPC}, "it can read every file that the user can read"},
		{[]Measure{Seccomp}, "it can open network connections and reach most of the kernel"},
		{[]Measure{LandlockIPC, Seccomp}, "it can open network connections and reach most of the kernel; it can signal processes of the same user"},
		{[]Measure{Landlock, Seccomp}, "it can read every file that the user can read; it can write them, too; it can open"},
		{measures, "memory and time are not bounded; it keeps the capabilities of the host; other"},
	} {
		r := Report{}
		r.InForce = append(r.InForce, measures...)
		for _, m := range tt.missing {
			r.InForce = remove(r.InForce, m)
			r.Missing = append(r.Missing, Missing{m, "for a reason"})
		}
		switch got := r.Warning(); {
		case tt.want == "" && got != "":
			t.Errorf("%v: %s", tt.missing, got)
		case !strings.Contains(got, tt.want), tt.want != "" && !strings.HasPrefix(got, "not in force: "+string(tt.missing[0])+" (for a reason)"):
			t.Errorf("%v: %s", tt.missing, got)
		}
	}
}

func remove(list []Measure, m Measure) (rest []Measure) {
	for _, other := range list {
		if other != m {
			rest = append(rest, other)
		}
	}
	return rest
}
