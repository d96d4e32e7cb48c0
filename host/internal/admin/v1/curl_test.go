package v1_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"idlehost/host/internal/admin"
	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
	"idlehost/host/internal/testnet"
)

// browse runs curl against a server that speaks TLS, over both versions of
// HTTP.
func browse(t *testing.T, f func(t *testing.T, h *house, curl func(path string, args ...string) (status int, sent int, body string))) {
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl")
	}
	for _, version := range []string{"--http1.1", "--http2"} {
		t.Run(version[2:], func(t *testing.T) {
			h := newHouse()
			address, ca := serveTLS(t, h)
			f(t, h, func(path string, args ...string) (status, sent int, body string) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), testnet.Patience)
				defer cancel()
				args = append([]string{
					"-sS", version, "--cacert", ca, "--noproxy", "*", "-w", "\n%{http_code} %{size_upload} %{http_version}",
				}, args...)
				args = append(args, "https://"+address+path)
				out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
				for range 2 { // who goes on sending may be cut off before it reads, on a busy machine
					if failed, ok := errors.AsType[*exec.ExitError](err); !ok || failed.ExitCode() != 55 && failed.ExitCode() != 56 {
						break
					}
					out, err = exec.CommandContext(ctx, program, args...).CombinedOutput()
				}
				if err != nil {
					t.Fatalf("curl %q: %v: %.500s", args, err, out)
				}
				text := string(out)
				i := strings.LastIndexByte(text, '\n')
				var spoken string
				if _, err := fmt.Sscan(text[i:], &status, &sent, &spoken); err != nil || !strings.HasSuffix(version, strings.TrimSuffix(spoken, ".0")) {
					t.Fatalf("curl: %v: %q", err, text)
				}
				return status, sent, text[:i]
			})
		})
	}
}

// serveTLS serves a house with the certificate that httptest has for
// 127.0.0.1, and returns where, and the file with its authority.
func serveTLS(t *testing.T, h *house) (address, ca string) {
	t.Helper()
	donor := httptest.NewTLSServer(nil)
	cert := donor.TLS.Certificates[0]
	donor.Close()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := admin.Listen(t.Context(), admin.Config{
		Address: "127.0.0.1:0", Tokens: []string{configured}, Bearers: h, API: v1.New(v1.Config{Service: h, Recordings: h, UploadBytes: 1 << 20}),
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s.Addr().String(), ca
}

func bearer(token string) string { return "Authorization: Bearer " + token }

func TestCurl(t *testing.T) {
	browse(t, func(t *testing.T, h *house, curl func(string, ...string) (int, int, string)) {
		status, _, body := curl("/v1/whoami", "-H", bearer(shop))
		if status != 200 || body != `{"operator":false,"tenant":"shop","name":"token t1 (ci)"}`+"\n" {
			t.Errorf("whoami: %d %s", status, body)
		}
		if status, _, body = curl("/v1/tenants", "-H", bearer(shop)); status != 403 {
			t.Errorf("another's: %d %s", status, body)
		}
		put := []string{"-X", "PUT", "-H", bearer(boss), "-H", "Content-Type: application/json", "-d", `{"hosts":["cart.example"]}`}
		if status, _, body = curl("/v1/tenants/cart", append(put, "-H", "If-None-Match: *")...); status != 201 || !strings.Contains(body, "cart.example") {
			t.Errorf("put: %d %s", status, body)
		}
		if status, _, body = curl("/v1/tenants/cart", append(put, "-H", "If-None-Match: *")...); status != 412 {
			t.Errorf("put again: %d %s", status, body)
		}
		if status, _, body = curl("/v1/tenants/shop/decisions", "-N", "-H", bearer(shop)); status != 200 || body != line+"\n" {
			t.Errorf("decisions: %d %q", status, body)
		}
	})
}

// TestCurlUploads sends what fits, and does not have to send what does not.
func TestCurlUploads(t *testing.T) {
	dir := t.TempDir()
	fits, big := filepath.Join(dir, "fits.wasm"), filepath.Join(dir, "big.wasm")
	for name, size := range map[string]int{fits: 1 << 20, big: 64 << 20} {
		if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	browse(t, func(t *testing.T, h *house, curl func(string, ...string) (int, int, string)) {
		const path = "/v1/tenants/shop/policies?name=zero"
		args := []string{"-H", bearer(shop), "-H", "Content-Type: application/wasm", "--data-binary"}
		status, sent, body := curl(path, append(args, "@"+fits)...)
		if status != 201 || sent != 1<<20 || !strings.Contains(body, `"name":"zero"`) {
			t.Errorf("what fits: %d, %d bytes sent, %.300s", status, sent, body)
		}
		for name, more := range map[string][]string{"as curl does": nil, "waiting": {"-H", "Expect: 100-continue"}, "not waiting": {"-H", "Expect:"}} {
			status, sent, body = curl(path, append(more, append(args, "@"+big)...)...)
			var p api.Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil || status != 413 || p.Status != 413 {
				t.Errorf("%s: %d %v %.300s", name, status, err, body)
			}
			if sent > 16<<20 || name == "waiting" && sent > 0 && strings.HasSuffix(t.Name(), "http1.1") {
				t.Errorf("%s: %d bytes sent", name, sent)
			}
		}
		status, sent, _ = curl(path, "-H", bearer(bank), "-H", "Content-Type: application/wasm", "-H", "Expect: 100-continue", "--data-binary", "@"+fits)
		if status != 403 {
			t.Errorf("another tenant's: %d, %d bytes sent", status, sent)
		}
		status, _, body = curl(path, append(args, "@"+big, "-H", "Transfer-Encoding: chunked")...)
		if status != 413 {
			t.Errorf("of unknown length: %d %.300s", status, body)
		}
	})
}
