// Package longtest lets a test have two forms: a usual one, which `make test`
// has the time for, and a long one, which `make test-long` runs. The environment
// variable IDLEHOST_LONG selects it, for the whole tree:
//
//	unset or 0   the usual form
//	1            the long form
//	0.05         a share of it: each count is at least 5 % of the long one, and
//	             one in 20 of the tests that have only a long form runs
//
// IDLEHOST_SEED sets the seed of random tests, which they log, and which of the
// tests that have only a long form run.
package longtest

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
)

// The environment variables.
const (
	Env     = "IDLEHOST_LONG"
	SeedEnv = "IDLEHOST_SEED"
)

// Prefixes of the messages of tests that do not run, or not in their long form.
// The summary at the end of `make test` looks for them.
const (
	Skipped   = "long form only: "
	Shortened = "usual form: "
)

// Count returns how many of something a test does: usual, long, or at least a
// share of long. It logs when that is less than long.
func Count(t testing.TB, usual, long int, what string) int {
	t.Helper()
	n := max(usual, int(math.Ceil(share(t)*float64(long))))
	if n < long {
		t.Logf("%s%d of %d %s", Shortened, n, long, what)
	}
	return min(n, long)
}

// Only skips a test that has no usual form, unless the long form is asked for,
// or a share of it that the test falls into. The reason says what takes long.
func Only(t testing.TB, reason string) {
	t.Helper()
	s := share(t)
	if s == 1 {
		return
	}
	if s > 0 {
		h := fnv.New64a()
		fmt.Fprint(h, base(t), t.Name())
		if rand.New(rand.NewPCG(h.Sum64(), 0)).Float64() < s {
			return
		}
	}
	t.Skip(Skipped + reason)
}

// Seed returns the seed of a random test, and logs it.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := base(t)
	t.Logf("%s=%d", SeedEnv, seed)
	return seed
}

// share is between 0, the usual form, and 1, the long one.
func share(t testing.TB) float64 {
	t.Helper()
	text := os.Getenv(Env)
	if text == "" {
		return 0
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s >= 0 && s <= 1) {
		t.Fatalf("%s=%s: want 1, or a share of it such as 0.05", Env, text)
	}
	return s
}

// base is the seed of this process, unless the environment has one.
func base(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv(SeedEnv)
	if text == "" {
		return random()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s: want a number", SeedEnv, text)
	}
	return seed
}

var random = sync.OnceValue(rand.Uint64)
