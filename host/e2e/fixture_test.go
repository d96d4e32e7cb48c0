package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/sandbox/wasmtest"
)

// Fixtures are what released versions have left on disks: a store, a recording
// and a configuration. Every later version must open each of them, or fail and
// say what to do. They are never made anew: a version that changes what is
// written adds a set of its own beside them, with the next number, by
//
//	go test ./host/e2e -run TestFixtures -fixture 3
//
// of which what has not changed is left out, and sets the keys that it has added
// in a file of host/internal/config/testdata, full-3.toml.
var makeFixture = flag.Int("fixture", 0, "write the fixtures of this `number`, which must not exist")

const (
	storeFixtures = "../internal/store/file/testdata/store-*.tar.gz"
	traceFixtures = "../internal/trace/testdata/live-*.trace"
)

// numberedFixture is the name of a fixture by its pattern and number.
func numberedFixture(pattern string, n int) string {
	return strings.Replace(pattern, "*", fmt.Sprint(n), 1)
}

// wasStored is what the host that made a store said of it; it lies beside the
// store in the archive.
type wasStored struct {
	Token   string // of tenant a
	Learned string // the digest of its policy that has learned "learned!", in format 7
	Answers map[string]json.RawMessage
}

// storeQuestions are the commands whose answers a store is held to.
var storeQuestions = map[string][]string{
	"tenant":   {"tenant", "show", "a"},
	"tenants":  {"tenant", "list"},
	"tokens":   {"tenant", "token", "list", "-t", "a"},
	"keys":     {"tenant", "key", "list", "-t", "a"},
	"policies": {"policy", "list", "-t", "a"},
	"rollout":  {"policy", "show", "-t", "a"},
	"audit":    {"audit"},
}

// volatile are members of answers that tell of what runs, and not of what is
// kept.
var volatile = map[string]bool{"open": true, "sides": true, "comparison": true}

// TestFixtures starts this host with the stores that others have left.
func TestFixtures(t *testing.T) {
	if *makeFixture > 0 {
		writeFixtures(t, *makeFixture)
	}
	stores, err := filepath.Glob(storeFixtures)
	if err != nil || len(stores) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, archive := range stores {
		t.Run(filepath.Base(archive), func(t *testing.T) { opensStore(t, archive) })
	}
}

// opensStore compares what this host says of a store with what was said of it.
// What later versions add is none of its business.
func opensStore(t *testing.T, archive string) {
	dir := t.TempDir()
	unpack(t, archive, dir)
	text, err := os.ReadFile(filepath.Join(dir, "said.json"))
	if err != nil {
		t.Fatal(err)
	}
	var was wasStored
	if err := json.Unmarshal(text, &was); err != nil {
		t.Fatal(err)
	}
	h := startHost(t, naming(t, "house"), "--store", filepath.Join(dir, "store"))
	o := newOperator(t, h)
	for name, args := range storeQuestions {
		var want, got any
		if err := json.Unmarshal(was.Answers[name], &want); err != nil {
			t.Fatal(err)
		}
		o.read(&got, args...)
		if at := lacks(got, want, ""); at != "" {
			t.Errorf("host %s: %s: got %v, want %v", strings.Join(args, " "), at, got, want)
		}
	}
	owner := o.with("HOST_TOKEN=" + was.Token)
	var policies api.Page[api.Policy]
	owner.read(&policies, "policy", "list", "-t", "a")
	for _, p := range policies.Items {
		file := filepath.Join(t.TempDir(), "policy.wasm")
		owner.do("policy", "download", "-t", "a", p.Digest, "-o", file)
		if wasm, err := os.ReadFile(file); err != nil || fmt.Sprintf("%x", digestOf(wasm)) != p.Digest {
			t.Errorf("policy %s: %v", p.Digest, err)
		}
	}
	owner.do("policy", "rollback", "-t", "a") // and it goes on from there
	owner.do("policy", "promote", "-t", "a", policies.Items[0].Digest)
}

// lacks returns where got does not have what want has, or "".
func lacks(got, want any, at string) string {
	switch want := want.(type) {
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok {
			return at
		}
		for k, v := range want {
			if volatile[k] {
				continue
			}
			if where := lacks(have[k], v, at+"."+k); where != "" {
				return where
			}
		}
		return ""
	case []any:
		have, ok := got.([]any)
		if !ok || len(have) != len(want) {
			return at
		}
		for i, v := range want {
			if where := lacks(have[i], v, fmt.Sprintf("%s[%d]", at, i)); where != "" {
				return where
			}
		}
		return ""
	}
	if !reflect.DeepEqual(got, want) {
		return at + "."
	}
	return ""
}

// TestOldRecordings replays the recordings that others have left.
func TestOldRecordings(t *testing.T) {
	files, err := filepath.Glob(traceFixtures)
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	path, err := commands()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		s := studied(t, operator{t: t, program: path}, file, "adaptive", "fixed:10s")
		if s.Trace.Requests < 100 || s.Trace.Lost != 0 || len(s.Policies) < 2 {
			t.Errorf("%s: %+v", file, s.Trace)
		}
	}
}

// writeFixtures has this host leave a store and a recording behind.
func writeFixtures(t *testing.T, n int) {
	dir := t.TempDir()
	storeDir := filepath.Join(dir, "store")
	config := writeFile(t, "host.toml", fmt.Sprintf("[[listener]]\naddress = \"127.0.0.1:0\"\n[record]\ndir = %q\n", t.TempDir()))
	h := startHost(t, naming(t, "house"), "--store", storeDir, "--config", config)
	o := newOperator(t, h)
	o.do("tenant", "create", "a", "--host", "a.example", "--host", "*.a.example", "--upstream", naming(t, "a"),
		"--connections", "100", "--client-connections", "10", "--floor", "20ms", "--ceiling", "1h", "--guard-faults", "0.1")
	o.do("tenant", "create", "b", "--host", "b.example", "--destination", "192.0.2.7:443")
	o.do("tenant", "create", "gone")
	o.do("tenant", "rm", "gone")
	o.do("tenant", "key", "add", "-t", "a", "../internal/control/testdata/alice.pub", "--comment", "laptop")
	var token api.Token
	o.read(&token, "tenant", "token", "create", "-t", "a", "--name", "ci")
	was := wasStored{Token: token.Secret, Answers: map[string]json.RawMessage{}}
	o.do("tenant", "record", "start", "-t", "a")
	for _, name := range []string{"fixed", "adaptive", "quantile"} {
		wasm, err := os.ReadFile("../../plugins/" + name + ".wasm")
		if err != nil {
			t.Fatal(err)
		}
		o.push("a", name+".wasm", wasm)
	}
	o.do("policy", "promote", "-t", "a", digestOfFile(t, "../../plugins/adaptive.wasm"))
	was.Learned = o.push("a", "learner.wasm", learner(), "--promote")
	o.do("policy", "canary", "-t", "a", digestOfFile(t, "../../plugins/quantile.wasm"), "--percent", "25", "--plugin-config", "quantile=0.8")
	for i := range 20 {
		ask := askOn(connect(t, fmt.Sprintf("127.0.3.%d", i+1), h.Addr))
		for range 10 {
			if got := ask("a.example"); got != "a" {
				t.Fatal(got)
			}
		}
	}
	o.do("tenant", "record", "stop", "-t", "a")
	o.do("tenant", "record", "download", "-t", "a", "-o", numberedFixture(traceFixtures, n))
	for name, args := range storeQuestions {
		var answer json.RawMessage
		o.read(&answer, args...)
		was.Answers[name] = answer
	}
	h.Signal(t, syscall.SIGTERM)
	if code := h.Exit(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	text, err := json.MarshalIndent(was, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "said.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	pack(t, numberedFixture(storeFixtures, n), dir)
}

// learner is a policy that has learned something.
func learner() []byte {
	const at = 8192
	m := wasmtest.Guest(leasing(time.Minute), wasmtest.Returns("on_timeout", extendBy(time.Minute)),
		wasmtest.Returns("state_region", 8<<32|at), wasmtest.Returns("state_format", 7))
	m.Data = append(m.Data, wasmtest.Data{Offset: at, Bytes: []byte("learned!")})
	return m.Bytes()
}

func digestOfFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", digestOf(data))
}

// pack writes the regular files below dir to an archive, which must not exist.
func pack(t *testing.T, archive, dir string) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: int64(len(data)), Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err = errors.Join(err, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(archive, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// unpack is the inverse of pack.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		name := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(name), 0o700)
		}
		if err == nil {
			err = os.WriteFile(name, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
