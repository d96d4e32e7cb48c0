package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
	"idlehost/host/internal/testnet"
)

// padded is a policy with a custom section of so many bytes, which no two have
// in common.
func padded(size, n int) []byte {
	payload := append(fmt.Appendf([]byte{3}, "pad%d ", n), make([]byte, size)...)
	section := binary.AppendUvarint([]byte{0}, uint64(len(payload)))
	return append(append(keeping(time.Minute, 1), section...), payload...)
}

// readyz returns what the host says of its readiness.
func readyz(t *testing.T, h *hosttest.Host) string {
	t.Helper()
	res, err := http.Get(h.Admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("/readyz: %s, %v", res.Status, err)
	}
	return string(text)
}

// noRoom returns the problem of an upload that has no room.
func noRoom(t *testing.T, err error) *api.Problem {
	t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != 507 || p.Type != api.TypePrefix+api.KindStorage {
		t.Fatalf("%v, want 507", err)
	}
	return p
}

// TestUploadsFillNoDisk: a tenant pads its uploads until it is refused, with the
// figures; deleting in between gains it nothing, and nobody else notices.
func TestUploadsFillNoDisk(t *testing.T) {
	h, o := startTown(t, "[[listener]]\naddress = \"127.0.0.1:0\"\n[store]\ntenant_bytes = \"1MB\"\n")
	c := dial(t, h, "")
	const pad = 100 << 10
	last, kept := "", 0
	var p *api.Problem
	for i := range 100 {
		policy, _, err := c.Upload(t.Context(), "a", api.Upload{Name: "padded", Wasm: padded(pad, i)}, nil)
		if err != nil {
			p = noRoom(t, err)
			break
		}
		last, kept = policy.Digest, kept+1
	}
	if p == nil || kept < 3 || kept > 10 || p.Limit != 1<<20 || p.Used+p.Asked <= p.Limit || p.Used > p.Limit || p.Asked < pad {
		t.Fatalf("after %d uploads: %+v", kept, p)
	}
	for i := range 3 {
		if err := c.DeletePolicy(t.Context(), "a", last); err != nil && i == 0 {
			t.Fatal(err)
		}
		_, _, err := c.Upload(t.Context(), "a", api.Upload{Name: "padded", Wasm: padded(pad, 1000+i)}, nil)
		if again := noRoom(t, err); !strings.Contains(again.Detail, "has deleted") {
			t.Errorf("deleted before: %s", again.Detail)
		}
	}
	o.refused("tenant a has ", "policy", "push", "-t", "a", writeFile(t, "more.wasm", string(padded(pad, 3000))))
	o.push("b", "b.wasm", padded(pad, 1), "--promote")
	if got := readyz(t, h); got != "ready\n" {
		t.Errorf("/readyz: %q", got)
	}
	if used := h.Metric(t, "host_store_tenant_used_bytes", `tenant="a"`); used > 1<<20 || used < float64(kept*pad) {
		t.Errorf("a has %v bytes", used)
	}
	o.do("tenant", "set", "a", "--store-bytes", "2MB")
	o.push("a", "a.wasm", padded(pad, 2000))
	if show := o.do("tenant", "show", "a"); !strings.Contains(show, " of at most 2.0 MiB") || !strings.Contains(show, "not swept yet") {
		t.Errorf("host tenant show a:\n%s", show)
	}
}

// TestFullDisk fills the disk of a host to the last byte: uploads are refused
// with the reason, recordings end and tell it, and all else goes on; when there
// is room again, so do uploads.
func TestFullDisk(t *testing.T) {
	disk := testnet.SmallDisk(t, 12<<20)
	for _, build := range []func() (string, error){program, commands} { // which have a cache of their own
		if _, err := build(); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(disk, "cache"))
	dir, config := filepath.Join(disk, "store"), fmt.Sprintf("[[listener]]\naddress = \"127.0.0.1:0\"\n[store]\nreserve_bytes = \"1MB\"\n[record]\ndir = %q\n",
		filepath.Join(disk, "recordings"))
	h, o := startTownAt(t, dir, config)
	c := dial(t, h, "")
	one := o.push("a", "one.wasm", keeping(time.Minute, 1), "--promote")
	two := o.push("a", "two.wasm", keeping(time.Minute, 2))
	extra := o.push("a", "extra.wasm", keeping(time.Minute, 3))
	o.do("tenant", "record", "start", "-t", "a")
	ask := askOn(connect(t, "", h.Addr))
	if got := ask("a.example"); got != "a" {
		t.Fatal(got)
	}
	if got := readyz(t, h); got != "ready\n" {
		t.Fatalf("/readyz: %q", got)
	}
	ballast := testnet.FillDisk(t, disk)

	_, _, err := c.Upload(t.Context(), "b", api.Upload{Name: "b", Wasm: padded(100, 1)}, nil)
	if p := noRoom(t, err); p.Reserve != 1<<20 || !strings.Contains(p.Detail, "it is full") {
		t.Errorf("the upload was refused with %+v, want a reserve of 1 MiB and that the disk is full", p)
	}
	if got := readyz(t, h); !strings.HasPrefix(got, "degraded\nstore: the host's disk takes no more: it is full (") {
		t.Errorf("/readyz: %q", got)
	}
	if free := h.Metric(t, "host_store_free_bytes"); free >= 1<<20 {
		t.Errorf("%v bytes are free", free)
	}
	hosttest.Until(t, "the recording ends", func() bool {
		if got := ask("a.example"); got != "a" {
			t.Fatalf("traffic: %s", got)
		}
		var r api.Recording
		o.read(&r, "tenant", "record", "show", "-t", "a")
		return r.State == api.RecordingOver && strings.Contains(r.Error, "the host's disk takes no more: it is full")
	})
	o.refused("the host's disk takes no more", "tenant", "record", "start", "-t", "b")
	for range 20 {
		o.do("policy", "promote", "-t", "a", two)
		o.do("policy", "rollback", "-t", "a")
	}
	if r := o.rollout("a"); r.Active == nil || r.Active.Digest != one {
		t.Errorf("active: %+v", r.Active)
	}
	o.do("policy", "rm", "-t", "a", extra)
	o.do("tenant", "create", "c", "--host", "c.example")
	o.do("tenant", "token", "create", "-t", "a", "--name", "ci")
	if log := o.do("audit", "--json"); strings.Count(log, "rollout.rollback") != 20 {
		t.Errorf("audit log:\n%s", log)
	}

	h.Signal(t, syscall.SIGKILL) // and a host that starts on the full disk serves
	h.Exit(t)
	h = startHost(t, naming(t, "house"), "--store", dir, "--config", writeFile(t, "again.toml", config))
	o = newOperator(t, h)
	if got := askOn(connect(t, "", h.Addr))("a.example"); got != "a" {
		t.Errorf("traffic after a restart: %s", got)
	}
	o.do("policy", "promote", "-t", "a", two)
	if got := readyz(t, h); !strings.HasPrefix(got, "degraded\nstore: ") {
		t.Errorf("/readyz after a restart: %q", got)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	hosttest.Until(t, "there is room again", func() bool { return readyz(t, h) == "ready\n" })
	o.push("b", "b.wasm", padded(100, 1))
	o.do("tenant", "record", "start", "-t", "b")
	h.Line(t, "there is room again")
}
