package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/store"
	"idlehost/host/internal/tenant/spec"
)

// victimEnv makes the test binary a victim: it changes the store in the
// directory that it names until it is killed.
const victimEnv = "STORE_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		if err := victim(dir, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The kinds of steps.
const (
	stepCreate  = "create"
	stepUpload  = "upload"  // put a policy, name it, and make it the active one
	stepPromote = "promote" // make another version the active one
	stepToken   = "token"
	stepRevoke  = "revoke"
	stepDelete  = "delete"
)

// step is a change that the victim makes to a tenant of one of its workers.
type step struct {
	Worker int
	N      int // numbers the steps of a worker; never used twice
	Kind   string
	Tenant string
	Seed   int    // of a module
	Token  string // an ID
}

// line is what the victim says: before a step, and after it with the revision
// that it has got (0: the step gives none).
type line struct {
	Step     step
	Done     bool
	Revision uint64
}

// model is what a tenant should be.
type model struct {
	N        int // of the last step
	Revision uint64
	Versions []int // seeds
	Active   int   // a seed
	Tokens   []string
}

// world is what a worker's tenants should be.
type world struct {
	N       int
	Tenants map[string]model
}

const victimWorkers = 4

func (s step) wasm() []byte {
	return []byte(strings.Repeat(fmt.Sprintf("\x00asm %d ", s.Seed), 200))
}

func (s step) entry() store.Entry {
	return store.Entry{Actor: "victim", Tenant: s.Tenant, Action: s.Kind, Detail: fmt.Sprint(s.N)}
}

// choose returns a step that the world allows.
func (w *world) choose(worker int, rng *rand.Rand) step {
	w.N++
	s := step{Worker: worker, N: w.N, Tenant: fmt.Sprintf("w%d-%d", worker, rng.IntN(3)), Seed: worker*1000 + rng.IntN(6) + 1}
	m, ok := w.Tenants[s.Tenant]
	switch k := rng.IntN(10); {
	case !ok:
		s.Kind = stepCreate
	case k == 0:
		s.Kind = stepDelete
	case k < 3:
		s.Kind, s.Token = stepToken, fmt.Sprintf("%s.%d", s.Tenant, s.N)
	case k < 5 && len(m.Tokens) > 0:
		s.Kind, s.Token = stepRevoke, m.Tokens[0]
	case k < 7 && len(m.Versions) > 0:
		s.Kind, s.Seed = stepPromote, m.Versions[rng.IntN(len(m.Versions))]
	default:
		s.Kind = stepUpload
	}
	return s
}

// apply has the world be as it is after a step.
func (w *world) apply(s step, revision uint64) {
	w.N = s.N
	m := w.Tenants[s.Tenant]
	m.Versions = append([]int(nil), m.Versions...)
	m.Tokens = append([]string(nil), m.Tokens...)
	switch s.Kind {
	case stepDelete:
		delete(w.Tenants, s.Tenant)
		return
	case stepUpload:
		m.Versions = append(m.Versions, s.Seed)
		m.Active = s.Seed
	case stepPromote:
		m.Active = s.Seed
	case stepToken:
		m.Tokens = append(m.Tokens, s.Token)
	case stepRevoke:
		m.Tokens = m.Tokens[1:]
	}
	if s.Kind != stepToken && s.Kind != stepRevoke {
		m.N, m.Revision = s.N, revision
	}
	w.Tenants[s.Tenant] = m
}

// take makes a step in the store.
func (s step) take(ctx context.Context, st *Store) (revision uint64, err error) {
	digest := digestOf(s.wasm())
	switch s.Kind {
	case stepCreate:
		made := &store.Tenant{Name: s.Tenant}
		made.Spec.Limits.Connections = s.N
		err = st.Create(ctx, made, s.entry())
		return made.Revision, err
	case stepDelete:
		return 0, st.Delete(ctx, s.Tenant, func(*store.Tenant) (store.Entry, error) { return s.entry(), nil })
	case stepToken:
		return 0, st.PutToken(ctx, &store.Token{ID: s.Token, Tenant: s.Tenant}, s.entry())
	case stepRevoke:
		return 0, st.DeleteToken(ctx, s.Token, s.entry())
	case stepUpload:
		if err := st.PutPolicy(ctx, "", &store.Policy{Digest: digest}, s.wasm()); err != nil {
			return 0, err
		}
	}
	changed, err := st.Update(ctx, s.Tenant, func(t *store.Tenant) (store.Entry, error) {
		t.Spec.Limits.Connections = s.N
		if s.Kind == stepUpload {
			t.Versions = append(t.Versions, store.Version{Digest: digest})
		}
		t.Rollout.Active = &spec.Release{Digest: digest}
		return s.entry(), nil
	})
	if err != nil {
		return 0, err
	}
	return changed.Revision, nil
}

// victim reads the worlds of its workers and changes them, saying what it does.
func victim(dir string, in io.Reader, out io.Writer) error {
	var given struct {
		Seed   uint64
		Worlds [victimWorkers]*world
	}
	if err := json.NewDecoder(in).Decode(&given); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "{}"); err != nil { // about to open
		return err
	}
	st, err := Open(dir, Config{Grace: 5 * time.Second})
	if err != nil {
		return err
	}
	errs := make([]error, victimWorkers)
	var wg sync.WaitGroup
	for i, w := range given.Worlds {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(given.Seed, uint64(i)))
			errs[i] = w.work(i, rng, st, json.NewEncoder(out))
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// work takes steps until the process is killed. A line is one write, which a
// pipe does not tear.
func (w *world) work(worker int, rng *rand.Rand, st *Store, out *json.Encoder) error {
	ctx := context.Background()
	for {
		s := w.choose(worker, rng)
		if err := out.Encode(line{Step: s}); err != nil {
			return err
		}
		revision, err := s.take(ctx, st)
		if err != nil {
			return fmt.Errorf("%+v: %w", s, err)
		}
		if err := out.Encode(line{Step: s, Done: true, Revision: revision}); err != nil {
			return err
		}
		w.apply(s, revision)
		switch rng.IntN(20) {
		case 0:
			if _, err := st.Sweep(ctx); err != nil {
				return err
			}
		case 1, 2:
			if err := st.PutState(ctx, s.Tenant, digestOf(s.wasm()), policy.State{Format: uint64(s.N), Bytes: s.wasm()}); err != nil {
				return err
			}
		}
	}
}
