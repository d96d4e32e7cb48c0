package file

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"idlehost/host/internal/store"
)

// TestFixtures opens the stores that every version so far has left on a disk,
// which host/e2e/fixture_test.go has made and makes for the next one. A later
// version opens them and finds all that was acknowledged, or Open fails and
// says what to do; it never drops what it does not understand.
func TestFixtures(t *testing.T) {
	archives, err := filepath.Glob("testdata/store-*.tar.gz")
	must(t, err)
	if len(archives) == 0 {
		t.Fatal("no fixtures")
	}
	for _, archive := range archives {
		t.Run(filepath.Base(archive), func(t *testing.T) { testFixture(t, archive) })
	}
}

func testFixture(t *testing.T, archive string) {
	dir := t.TempDir()
	unpack(t, archive, dir)
	var said struct {
		Token, Learned string
		Answers        struct {
			Policies struct{ Items []struct{ Digest string } }
			Audit    struct{ Items []struct{ Seq uint64 } }
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "said.json"))
	must(t, err)
	must(t, json.Unmarshal(text, &said))
	s := reopen(t, filepath.Join(dir, "store"))
	defer s.Close()
	ctx := context.Background()
	a, err := s.Tenant(ctx, "a")
	must(t, err)
	if len(a.Versions) != len(said.Answers.Policies.Items) || a.Rollout.Active == nil || a.Rollout.Active.Digest != said.Learned ||
		a.Rollout.Canary == nil || a.Rollout.Percent != 25 || len(a.Rollout.Past) != 1 || len(a.Keys) != 1 || a.Spec.Limits.Connections != 100 {
		t.Errorf("tenant a: %+v", a)
	}
	if u := s.Usage("a"); u.Policies < 20<<10 || u.Unnamed != 0 || u.States != 4096 { // also where no record says who pays
		t.Errorf("tenant a has %+v", u)
	}
	all, err := s.Tenants(ctx, "", 0)
	must(t, err)
	if len(all) != 2 {
		t.Errorf("%d tenants", len(all))
	}
	for _, p := range said.Answers.Policies.Items {
		if _, err := s.Module(ctx, p.Digest); err != nil {
			t.Error(err)
		}
		if found, err := s.Policy(ctx, p.Digest); err != nil || len(found.Report) == 0 {
			t.Errorf("policy %s: %+v, %v", p.Digest, found, err)
		}
	}
	st, err := s.State(ctx, "a", said.Learned)
	if err != nil || st.Format != 7 || string(st.Bytes) != "learned!" {
		t.Errorf("learned: %+v, %v", st, err)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(said.Token, "idh_"), "_")
	if k, err := s.Token(ctx, id); err != nil || k.Tenant != "a" {
		t.Errorf("token: %+v, %v", k, err)
	}
	entries, err := s.Audit(ctx, "", 0, 0)
	if err != nil || len(entries) != len(said.Answers.Audit.Items) || entries[0].Seq != said.Answers.Audit.Items[0].Seq {
		t.Errorf("audit log: %d entries, %v", len(entries), err)
	}
	must(t, s.Note(ctx, store.Entry{Action: "goes on"}))
}

// unpack writes the files of an archive below a directory.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		must(t, os.MkdirAll(filepath.Dir(name), 0o700))
		must(t, os.WriteFile(name, data, 0o600))
	}
}
