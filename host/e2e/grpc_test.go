package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"idlehost/host/e2e/hosttest"
)

type text = wrapperspb.StringValue

// shout is a service with a unary and a streaming method.
var shout = grpc.ServiceDesc{
	ServiceName: "e2e.Shout",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Once", Handler: once}},
	Streams:     []grpc.StreamDesc{{StreamName: "Talk", Handler: talk, ClientStreams: true, ServerStreams: true}},
}

func once(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(text)
	if err := decode(in); err != nil {
		return nil, err
	}
	if in.Value == "" {
		return nil, status.Error(codes.InvalidArgument, "say something")
	}
	grpc.SetTrailer(ctx, metadata.Pairs("x-loud", "very"))
	return wrapperspb.String(strings.ToUpper(in.Value)), nil
}

func talk(_ any, s grpc.ServerStream) error {
	for {
		in := new(text)
		if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.SendMsg(wrapperspb.String(strings.ToUpper(in.Value))); err != nil {
			return err
		}
	}
}

// startShout serves it, HTTP/2 in clear.
func startShout(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	srv.RegisterService(&shout, nil)
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return "h2c://" + l.Addr().String()
}

func TestGRPC(t *testing.T) {
	upstream := startShout(t)
	cert := newCertificate(t)
	secure := credentials.NewTLS(&tls.Config{RootCAs: cert.pool})
	for name, c := range map[string]struct {
		creds credentials.TransportCredentials
		args  []string
	}{
		"h2c": {insecure.NewCredentials(), nil},
		"tls": {secure, cert.flags()},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHost(t, upstream, c.args...)
			ctx, cancel := context.WithTimeout(t.Context(), hosttest.Patience)
			defer cancel()
			conn, err := grpc.NewClient("passthrough:///"+h.Addr, grpc.WithTransportCredentials(c.creds))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			unary(t, ctx, conn)
			streaming(t, ctx, conn)
		})
	}
}

func unary(t *testing.T, ctx context.Context, conn *grpc.ClientConn) {
	t.Helper()
	var out text
	var trailer metadata.MD
	err := conn.Invoke(ctx, "/e2e.Shout/Once", wrapperspb.String("hello"), &out, grpc.Trailer(&trailer))
	if err != nil || out.Value != "HELLO" {
		t.Errorf("unary call: %q, %v", out.Value, err)
	}
	if got := trailer.Get("x-loud"); len(got) != 1 || got[0] != "very" {
		t.Errorf("trailer %v", trailer)
	}
	// An answer of trailers alone must keep its status.
	err = conn.Invoke(ctx, "/e2e.Shout/Once", wrapperspb.String(""), &out)
	if status.Code(err) != codes.InvalidArgument || status.Convert(err).Message() != "say something" {
		t.Errorf("failing call: %v", err)
	}
}

func streaming(t *testing.T, ctx context.Context, conn *grpc.ClientConn) {
	t.Helper()
	s, err := conn.NewStream(ctx, &shout.Streams[0], "/e2e.Shout/Talk")
	if err != nil {
		t.Fatal(err)
	}
	// Each message is answered before the next is sent: nothing may be held
	// back on either way.
	for i := range 100 {
		var out text
		say := fmt.Sprintf("word %d", i)
		if err := s.SendMsg(wrapperspb.String(say)); err != nil {
			t.Fatal(err)
		}
		if err := s.RecvMsg(&out); err != nil || out.Value != strings.ToUpper(say) {
			t.Fatalf("message %d: %q, %v", i, out.Value, err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(new(text)); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v, want EOF", err)
	}
}
