package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"idlehost/host/internal/testnet"
)

// tool finds a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testnet.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// slow is a handler that waits until its session could have parked, so that
// clients that ask for one thing after another meet parks on the way.
func slow(w http.ResponseWriter, r *http.Request) {
	pause(2 * time.Millisecond)
	serveEcho(w, r)
}

// TestCurl asks again and again on one connection, with pauses. It does so over
// TLS: with prior knowledge, curl 7.88 fails on a second request to any server.
func TestCurl(t *testing.T) {
	h := newHost(t, hostConfig{tls: true})
	_, port, _ := strings.Cut(h.addr, ":")
	dir := t.TempDir()
	body := filepath.Join(dir, "body")
	if err := os.WriteFile(body, pattern(70_000), 0o600); err != nil {
		t.Fatal(err)
	}
	h.meetsParks(t, 20, 1, func() { h.curl(t, dir, body, port) })
}

// curl sends 20 requests over one connection, 50 ms apart.
func (h *host) curl(t *testing.T, dir, body, port string) {
	t.Helper()
	got := output(t, "curl", "-sS", "--rate", "1200/m", "--http2", "-k",
		"--connect-to", "test.example::127.0.0.1:"+port, "-H", "X-Size: 100000", "--data-binary", "@"+body,
		"-o", filepath.Join(dir, "#1"), "-w", "%{http_version} %{size_download} %{num_connects}\n",
		"https://test.example/[1-20]")
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != 20 {
		t.Fatalf("%d answers:\n%s", len(lines), got)
	}
	for i, l := range lines {
		if want := map[bool]string{true: "2 100000 1", false: "2 100000 0"}[i == 0]; l != want {
			t.Fatalf("answer %d: %q, want %q", i+1, l, want)
		}
	}
}

// meetsParks has clients send requests, again and again until some have woken a
// session: on a busy machine few do.
func (h *host) meetsParks(t *testing.T, requests, clients int, send func()) {
	t.Helper()
	others := 0
	testnet.Eventually(t, "requests meet parked sessions", func() bool {
		send()
		others += requests + clients
		return int(h.runs.Load()) > others+20 // each wake adds two, for the server and its greeting
	})
}

// TestNghttp has a client with a strict decoder.
func TestNghttp(t *testing.T) {
	h := newHost(t, hostConfig{})
	out := output(t, "nghttp", "-nv", "-H", "x-size: 30000", "http://"+h.addr+"/", "http://"+h.addr+"/2")
	if strings.Count(out, ":status: 200") != 2 {
		t.Errorf("nghttp says\n%s", out)
	}
}

// TestH2load keeps many clients at it.
func TestH2load(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		h := newHost(t, hostConfig{tls: secured, handler: http.HandlerFunc(slow)})
		url := "http://" + h.addr + "/"
		if secured {
			url = "https://" + h.addr + "/"
		}
		// 20 clients, a request each every 5 ms
		h.meetsParks(t, 2000, 20, func() {
			out := output(t, "h2load", "-n2000", "-c20", "-m1", "-t1", "--rps=200", "-H", "x-size: 2000", url)
			if !strings.Contains(out, "2000 succeeded, 0 failed, 0 errored") {
				t.Fatalf("h2load says\n%s", out)
			}
		})
	})
}

// TestGRPC has grpc-go call and stream across parks.
func TestGRPC(t *testing.T) {
	each(t, func(t *testing.T, secured bool) {
		s := grpc.NewServer()
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: "test.Echo", HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(wrapperspb.StringValue)
				return in, dec(in)
			}}},
			Streams: []grpc.StreamDesc{{StreamName: "Chat", ClientStreams: true, ServerStreams: true, Handler: chat}},
		}, struct{}{})
		h := newHost(t, hostConfig{tls: secured, handler: s})
		creds := insecure.NewCredentials()
		if secured {
			creds = credentials.NewTLS(h.tls())
		}
		cc, err := grpc.NewClient("passthrough:///"+h.addr, grpc.WithTransportCredentials(creds))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		ctx, cancel := context.WithTimeout(t.Context(), testnet.Patience)
		defer cancel()
		for i := range 30 {
			text := strings.Repeat(fmt.Sprint(i), 1+i*i*50)
			out := new(wrapperspb.StringValue)
			if err := cc.Invoke(ctx, "/test.Echo/Echo", wrapperspb.String(text), out); err != nil || out.Value != text {
				t.Fatalf("call %d: %d bytes of %d, %v", i, len(out.Value), len(text), err)
			}
			h.parked(t, 1)
			stream, err := cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Echo/Chat")
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
					t.Fatal(err)
				}
				if err := stream.RecvMsg(out); err != nil || out.Value != text {
					t.Fatalf("stream %d: %d bytes of %d, %v", i, len(out.Value), len(text), err)
				}
			}
			stream.CloseSend()
			if err := stream.RecvMsg(out); !errors.Is(err, io.EOF) {
				t.Fatalf("stream %d ends with %v", i, err)
			}
			h.parked(t, 1)
		}
		if n := h.gov.Open(); n != 1 {
			t.Errorf("%d connections", n)
		}
		if n := h.runs.Load(); n < 60+2*59 { // each wake adds two, for the server and its greeting
			t.Errorf("%d servers and requests: not all of the 60 requests but one met a parked session", n)
		}
	})
}

func chat(_ any, stream grpc.ServerStream) error {
	for {
		in := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(in); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := stream.SendMsg(in); err != nil {
			return err
		}
	}
}
