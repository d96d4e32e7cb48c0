package longtest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// stub is a test that is looked at from outside.
type stub struct {
	testing.TB
	name    string
	said    string
	skipped bool
	failed  bool
}

func (s *stub) Helper()      {}
func (s *stub) Name() string { return s.name }

func (s *stub) Logf(format string, args ...any) { s.said = fmt.Sprintf(format, args...) }

func (s *stub) Fatalf(format string, args ...any) {
	s.said, s.failed = fmt.Sprintf(format, args...), true
	runtime.Goexit()
}

func (s *stub) Skip(args ...any) {
	s.said, s.skipped = fmt.Sprint(args...), true
	runtime.Goexit()
}

// within runs f as a test does, which may end its goroutine.
func (s *stub) within(f func()) *stub {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
	return s
}

func TestCount(t *testing.T) {
	for _, c := range []struct {
		env         string
		usual, long int
		want        int
		said        string
	}{
		{"", 25, 200, 25, "usual form: 25 of 200 crashes"},
		{"0", 25, 200, 25, "usual form: 25 of 200 crashes"},
		{"1", 25, 200, 200, ""},
		{"0.5", 25, 200, 100, "usual form: 100 of 200 crashes"},
		{"0.05", 25, 200, 25, "usual form: 25 of 200 crashes"},
		{"0.001", 0, 200, 1, "usual form: 1 of 200 crashes"},
		{"", 25, 25, 25, ""},
	} {
		t.Setenv(Env, c.env)
		s := &stub{name: "TestX"}
		got := 0
		s.within(func() { got = Count(s, c.usual, c.long, "crashes") })
		if got != c.want || s.said != c.said || s.failed {
			t.Errorf("%s=%s: %d, %q; want %d, %q", Env, c.env, got, s.said, c.want, c.said)
		}
	}
}

func TestOnly(t *testing.T) {
	t.Setenv(SeedEnv, "7")
	for env, want := range map[string]bool{"": true, "0": true, "1": false} {
		t.Setenv(Env, env)
		s := &stub{name: "TestX"}
		if s.within(func() { Only(s, "a day of traffic") }); s.skipped != want || s.failed {
			t.Errorf("%s=%s: skipped is %v, %q", Env, env, s.skipped, s.said)
		}
		if want && s.said != "long form only: a day of traffic" {
			t.Errorf("%s=%s: says %q", Env, env, s.said)
		}
	}
}

// TestShareOfTests: a share runs that part of the tests, the same ones for a
// seed and others for another.
func TestShareOfTests(t *testing.T) {
	const tests = 2000
	t.Setenv(Env, "0.1")
	chosen := func(seed string) (names string, n int) {
		t.Setenv(SeedEnv, seed)
		for i := range tests {
			s := &stub{name: fmt.Sprintf("Test%d", i)}
			if s.within(func() { Only(s, "long") }); !s.skipped {
				names, n = names+" "+s.name, n+1
			}
		}
		return names, n
	}
	first, n := chosen("1")
	if n < tests/20 || n > tests/5 {
		t.Errorf("%d of %d tests run, want about a tenth", n, tests)
	}
	if again, _ := chosen("1"); again != first {
		t.Error("the same seed chooses other tests")
	}
	if other, _ := chosen("2"); other == first {
		t.Error("another seed chooses the same tests")
	}
}

func TestSeed(t *testing.T) {
	t.Setenv(SeedEnv, "")
	s := &stub{}
	var first, second, third uint64
	s.within(func() { first, second = Seed(s), Seed(s) })
	t.Setenv(SeedEnv, strings.TrimPrefix(s.said, SeedEnv+"="))
	s.within(func() { third = Seed(s) })
	if first != second || first != third || s.failed {
		t.Errorf("seeds are %d, %d and, as logged, %d (%q)", first, second, third, s.said)
	}
}

func TestValuesThatMakeNoSense(t *testing.T) {
	for _, c := range []struct{ env, value string }{
		{Env, "yes"}, {Env, "-1"}, {Env, "2"}, {Env, "NaN"}, {SeedEnv, "x"}, {SeedEnv, "-1"},
	} {
		t.Setenv(Env, "")
		t.Setenv(SeedEnv, "")
		t.Setenv(c.env, c.value)
		s := &stub{}
		s.within(func() { Count(s, 1, 2, "things"); Seed(s) })
		if !s.failed || !strings.Contains(s.said, c.env+"="+c.value) {
			t.Errorf("%s=%s: %q", c.env, c.value, s.said)
		}
	}
}
