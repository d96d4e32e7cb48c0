package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"idlehost/host/internal/store"
	"idlehost/host/longtest"
)

// TestKill kills a process that changes a store, at any moment, and opens the
// store: what was acknowledged is there with its audit entry, what was not is
// there as a whole or not at all, and every policy that is named has its module.
func TestKill(t *testing.T) {
	rounds := longtest.Count(t, 24, 1000, "kills")
	seed := longtest.Seed(t)
	k := &killer{rng: rand.New(rand.NewPCG(seed, 0))}
	for round := range rounds {
		if round%8 == 0 { // the first rounds of each directory meet its making
			k.begin(t.TempDir())
		}
		k.round(t)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("%d kills: %d changes acknowledged, %d cut short, of which %d had happened", rounds, k.acknowledged, k.cut, k.happened)
	if k.acknowledged == 0 || k.cut == 0 {
		t.Error("nothing was tested")
	}
}

type killer struct {
	rng    *rand.Rand
	dir    string
	worlds [victimWorkers]*world
	// noted are the steps whose entries must be in the audit log.
	noted  map[string]bool
	secret []byte
	newest uint64 // revision

	acknowledged, cut, happened int
}

func (k *killer) begin(dir string) {
	k.dir, k.noted, k.secret, k.newest = dir, map[string]bool{}, nil, 0
	for i := range k.worlds {
		k.worlds[i] = &world{Tenants: map[string]model{}}
	}
}

func (k *killer) round(t *testing.T) {
	cmd, out := k.victim(t)
	pending := k.kill(t, cmd, out)
	s := reopen(t, k.dir)
	defer func() { must(t, s.Close()) }()
	ctx := context.Background()
	log, err := s.Audit(ctx, "", 0, 0)
	must(t, err)
	has := map[string]bool{}
	for i, e := range log {
		has[e.Tenant+" "+e.Action+" "+e.Detail] = true
		if i > 0 && e.Seq != log[i-1].Seq-1 {
			t.Errorf("entry %d comes before %d", e.Seq, log[i-1].Seq)
		}
	}
	for _, p := range pending {
		k.cut++
		w := k.worlds[p.Worker]
		if w.N = p.N; has[note(p)] {
			k.happened++
			k.noted[note(p)] = true
			w.apply(p, 0)
		}
	}
	for entry := range k.noted {
		if !has[entry] {
			t.Errorf("%q was acknowledged, and is not in the audit log", entry)
		}
	}
	if len(log) != len(k.noted) {
		t.Errorf("%d entries for %d changes", len(log), len(k.noted))
	}
	k.compare(t, s)
	k.rest(t, s)
}

func note(s step) string { return fmt.Sprint(s.Tenant, " ", s.Kind, " ", s.N) }

// victim starts a process.
func (k *killer) victim(t *testing.T) (cmd *exec.Cmd, out io.ReadCloser) {
	exe, err := os.Executable()
	must(t, err)
	given, err := json.Marshal(map[string]any{"Seed": k.rng.Uint64(), "Worlds": k.worlds})
	must(t, err)
	cmd = exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), victimEnv+"="+k.dir)
	cmd.Stdin = bytes.NewReader(given)
	cmd.Stderr = os.Stderr
	out, err = cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return cmd, out
}

// kill ends a process after some of its lines and some time, and returns the
// steps that it had begun and not ended.
func (k *killer) kill(t *testing.T, cmd *exec.Cmd, out io.ReadCloser) (pending map[int]step) {
	lines := k.rng.IntN(120)
	if k.rng.IntN(4) == 0 {
		lines = 0 // while it opens the store
	}
	pause := time.Duration(k.rng.IntN(4000)) * time.Microsecond
	pending = map[int]step{}
	in := bufio.NewScanner(out)
	newest := k.newest
	for n := 0; in.Scan(); n++ {
		if n == lines {
			time.AfterFunc(pause, func() { _ = cmd.Process.Kill() })
		}
		var l line
		must(t, json.Unmarshal(in.Bytes(), &l))
		switch {
		case l.Step.Kind == "":
		case !l.Done:
			pending[l.Step.Worker] = l.Step
		default:
			delete(pending, l.Step.Worker)
			k.acknowledged++
			k.noted[note(l.Step)] = true
			k.worlds[l.Step.Worker].apply(l.Step, l.Revision)
			if l.Revision != 0 && l.Revision <= k.newest {
				t.Errorf("revision %d was given before", l.Revision)
			}
			newest = max(newest, l.Revision)
		}
	}
	must(t, in.Err())
	k.newest = newest
	if exit, ok := errors.AsType[*exec.ExitError](cmd.Wait()); !ok || exit.Exited() {
		t.Fatalf("the victim was not killed: %v", exit)
	}
	return pending
}

// compare holds the tenants against what they should be.
func (k *killer) compare(t *testing.T, s *Store) {
	ctx := context.Background()
	all, err := s.Tenants(ctx, "", 0)
	must(t, err)
	want := 0
	for _, w := range k.worlds {
		want += len(w.Tenants)
	}
	if len(all) != want {
		t.Errorf("%d tenants, want %d", len(all), want)
	}
	for _, has := range all {
		w := k.worlds[has.Name[1]-'0']
		m, ok := w.Tenants[has.Name]
		if !ok {
			t.Errorf("tenant %q was deleted", has.Name)
			continue
		}
		if m.Revision == 0 { // of a change that was cut short
			m.Revision = has.Revision
			w.Tenants[has.Name] = m
		}
		k.newest = max(k.newest, has.Revision)
		got := model{N: has.Spec.Limits.Connections, Revision: has.Revision, Active: m.Active}
		for i, v := range has.Versions {
			if _, err := s.Policy(ctx, v.Digest); err != nil {
				t.Errorf("%q names a policy: %v", has.Name, err)
			}
			if _, err := s.Module(ctx, v.Digest); err != nil {
				t.Errorf("%q names a policy: %v", has.Name, err)
			}
			if i < len(m.Versions) && v.Digest == digestOf(step{Seed: m.Versions[i]}.wasm()) {
				got.Versions = append(got.Versions, m.Versions[i])
			}
		}
		if r := has.Rollout.Active; r == nil && m.Active != 0 || r != nil && r.Digest != digestOf(step{Seed: m.Active}.wasm()) {
			t.Errorf("%q: active is %v, want module %d", has.Name, r, m.Active)
		}
		tokens, err := s.Tokens(ctx, has.Name)
		must(t, err)
		for _, token := range tokens {
			got.Tokens = append(got.Tokens, token.ID)
		}
		slices.Sort(m.Tokens)
		if fmt.Sprint(got) != fmt.Sprint(m) || len(has.Versions) != len(m.Versions) {
			t.Errorf("%q is %+v, want %+v", has.Name, got, m)
		}
	}
}

// rest holds what is left in the store against itself.
func (k *killer) rest(t *testing.T, s *Store) {
	ctx := context.Background()
	secret, err := s.Secret(ctx, "x")
	must(t, err)
	if k.secret != nil && !bytes.Equal(secret, k.secret) {
		t.Error("the secret has changed")
	}
	k.secret = secret
	var digests []string
	must(t, s.view(func(tx *txn) error {
		return tx.keys(bucketPolicies, nil, func(digest []byte) error {
			digests = append(digests, string(digest))
			return nil
		})
	}))
	for _, digest := range digests {
		if _, err := s.Module(ctx, digest); err != nil {
			t.Error(err)
		}
	}
	for i, w := range k.worlds {
		for seed := range 6 {
			wasm := step{Seed: i*1000 + seed + 1}.wasm()
			for name := range w.Tenants {
				st, err := s.State(ctx, name, digestOf(wasm))
				if err == nil && !bytes.Equal(st.Bytes, wasm) || err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("state of %q: %d bytes, %v", name, len(st.Bytes), err)
				}
			}
		}
	}
	must(t, checkFile(s.path(dbName)))
}
