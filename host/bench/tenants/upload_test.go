package tenants

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/tenant/spec"
)

// BenchmarkUpload measures from the first byte of an upload until the next
// question of an open connection is the new version's: the upload and the
// promotion, each a request. known: the host has seen the digest. BEFORE is an
// earlier build of the program, for which the same is measured, in turns.
//
//	go test -run '^$' -bench Upload -benchtime 15x ./host/bench/tenants
func BenchmarkUpload(b *testing.B) {
	for _, c := range []struct {
		name  string
		wasm  func(b *testing.B) []byte
		other func(tb testing.TB, wasm []byte, n int) []byte // another one's code, or only its digest
		known bool
	}{
		{"small", func(b *testing.B) []byte { return pad(variant(b, "adaptive", 0)) }, lowered, false},
		{"go", helloGo, func(_ testing.TB, wasm []byte, _ int) []byte { return goFresh(wasm) }, false},
		{"small-known", func(b *testing.B) []byte { return pad(variant(b, "adaptive", 0)) }, relabelled, true},
		{"go-known", helloGo, relabelled, true},
	} {
		b.Run(c.name, func(b *testing.B) { uploads(b, c.wasm(b), c.other, c.known) })
	}
}

func uploads(b *testing.B, base []byte, other func(testing.TB, []byte, int) []byte, known bool) {
	hosts := []*uploading{startUploading(b, program)}
	if before := os.Getenv("BEFORE"); before != "" {
		hosts = append(hosts, startUploading(b, before))
	}
	for i := 0; b.Loop(); i++ {
		wasm := other(b, base, i)
		for k := range hosts {
			hosts[(i+k)%len(hosts)].upload(b, fmt.Sprintf("up%d", i), wasm, known)
		}
	}
	b.ReportMetric(float64(len(base)), "bytes")
	b.ReportMetric(0, "ns/op")
	for i, name := range []string{"", "before-"}[:len(hosts)] {
		b.ReportMetric(hosts[i].ms[0], name+"first-ms")
		b.ReportMetric(median(slices.Clone(hosts[i].ms)), name+"p50-ms")
		b.ReportMetric(slices.Max(hosts[i].ms), name+"max-ms")
	}
	if len(hosts) > 1 {
		var ratios []float64
		for i, now := range hosts[0].ms {
			ratios = append(ratios, now/hosts[1].ms[i])
		}
		b.ReportMetric(median(ratios), "of-before")
	}
}

// uploading is a host that uploads are made to.
type uploading struct {
	host *hosttest.Host
	api  *client.Client
	ms   []float64 // that each took
}

func startUploading(b *testing.B, program string) *uploading {
	b.Setenv("XDG_CACHE_HOME", b.TempDir()) // no code of an earlier run
	h := hosttest.StartHost(b, program, "--store", b.TempDir(), "--upstream", answering(b))
	return &uploading{host: h, api: dial(b, h)}
}

// upload has a policy in force for a new tenant: loading is paid for in processor
// time, of which one tenant has not enough for a benchmark.
func (u *uploading) upload(b *testing.B, name string, wasm []byte, known bool) {
	create(b, u.api, name)
	if known { // to somebody else
		create(b, u.api, name+"-first")
		push(b, u.api, name+"-first", wasm)
	}
	begun := time.Now()
	digest := push(b, u.api, name, wasm)
	if _, err := u.api.Step(context.Background(), name, api.Step{Kind: api.StepPromote, Digest: digest}, api.Precondition{}); err != nil {
		b.Fatal(err)
	}
	u.ms = append(u.ms, ms(time.Since(begun)))
	if err := get(u.host, name+".example"); err != nil {
		b.Fatal(err)
	}
}

func dial(tb testing.TB, h *hosttest.Host) *client.Client {
	c, err := client.New(client.Config{Server: h.Admin})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

func create(tb testing.TB, c *client.Client, name string) {
	spec := spec.Spec{Hosts: []string{name + ".example"}}
	if _, _, err := c.PutTenant(context.Background(), name, spec, api.Precondition{Absent: true}); err != nil {
		tb.Fatal(err)
	}
}

func push(tb testing.TB, c *client.Client, tenant string, wasm []byte) string {
	p, _, err := c.Upload(context.Background(), tenant, api.Upload{Name: "policy", Wasm: wasm}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return p.Digest
}

func get(h *hosttest.Host, host string) error {
	req, err := http.NewRequest(http.MethodGet, h.URL("http", "/"), nil)
	if err != nil {
		return err
	}
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", host, res.Status)
	}
	return nil
}

// pad makes a policy 10 KB large, as the issue has it.
func pad(wasm []byte) []byte {
	for len(wasm) < 10_000 {
		wasm = withSection(wasm, make([]byte, 60))
	}
	return wasm
}

// relabelled returns a module of another digest and the same code.
func relabelled(_ testing.TB, wasm []byte, _ int) []byte { return withSection(wasm, fresh()) }

// lowered returns a policy built by clang that has n times 16 bytes less of a
// stack: other code, for all that a compiler can know.
func lowered(tb testing.TB, wasm []byte, n int) []byte {
	i := bytes.Index(wasm, []byte{0x7f, 1, 0x41}) // a mutable global of i32
	if i < 0 || n > 200 {
		tb.Fatal("its stack cannot be made smaller")
	}
	lower := bytes.Clone(wasm)
	at := lower[i+3 : i+6] // LEB128, of three bytes
	top := int(at[0]&0x7f) | int(at[1]&0x7f)<<7 | int(at[2])<<14
	top -= 16 * (n + 1)
	copy(at, []byte{byte(top) | 0x80, byte(top>>7) | 0x80, byte(top >> 14)})
	return withSection(lower, fresh())
}

// fresh is what no module has contained yet.
func fresh() []byte {
	b := make([]byte, 16)
	rand.Read(b)
	return b
}

// helloGo builds a policy with Go.
func helloGo(b *testing.B) []byte {
	out := filepath.Join(b.TempDir(), "hello.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, "../../../examples/hello-go")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return wasm
}
