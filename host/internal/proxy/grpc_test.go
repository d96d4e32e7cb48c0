package proxy_test

import (
	"context"
	"errors"
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

	"idlehost/host/internal/testnet"
)

// grpcServer serves one service without generated code: Echo (unary), Fail,
// and Chat (a stream both ways).
func grpcServer(t *testing.T) (target string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			{MethodName: "Echo", Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(wrapperspb.StringValue)
				grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "yes"))
				return in, dec(in)
			}},
			{MethodName: "Fail", Handler: func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return nil, status.Error(codes.FailedPrecondition, "not today")
			}},
		},
		Streams: []grpc.StreamDesc{{
			StreamName: "Chat", ClientStreams: true, ServerStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error {
				for {
					in := new(wrapperspb.StringValue)
					if err := stream.RecvMsg(in); err != nil {
						if errors.Is(err, io.EOF) {
							return nil
						}
						return err
					}
					in.Value = strings.ToUpper(in.Value)
					if err := stream.SendMsg(in); err != nil {
						return err
					}
				}
			},
		}},
	}, struct{}{})
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(ln) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return "h2c://" + ln.Addr().String()
}

func TestGRPC(t *testing.T) {
	run(t, func(t *testing.T, m mode) {
		r := start(t, setup{mode: m, targets: []string{grpcServer(t)}})
		creds := insecure.NewCredentials()
		if m.tls() {
			creds = credentials.NewTLS(r.tls())
		}
		cc, err := grpc.NewClient("passthrough:///"+r.addr, grpc.WithTransportCredentials(creds))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		ctx, cancel := context.WithTimeout(context.Background(), testnet.Patience)
		defer cancel()

		for _, text := range []string{"hello", strings.Repeat("x", 1<<20)} {
			var trailer metadata.MD
			out := new(wrapperspb.StringValue)
			err := cc.Invoke(ctx, "/test.Echo/Echo", wrapperspb.String(text), out, grpc.Trailer(&trailer))
			if err != nil || out.Value != text || len(trailer["x-trailer"]) != 1 {
				t.Fatalf("%d bytes of %d, trailer %v, %v\n%s", len(out.Value), len(text), trailer, err, r.log)
			}
		}
		err = cc.Invoke(ctx, "/test.Echo/Fail", wrapperspb.String(""), new(wrapperspb.StringValue))
		if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "not today" {
			t.Errorf("failure arrives as %v", err)
		}

		stream, err := cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Echo/Chat")
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"one", "two", "three"} { // each is answered before the next is sent
			out := new(wrapperspb.StringValue)
			if err := stream.SendMsg(wrapperspb.String(text)); err != nil {
				t.Fatal(err)
			}
			if err := stream.RecvMsg(out); err != nil || out.Value != strings.ToUpper(text) {
				t.Fatalf("received %q, %v; want %q", out.Value, err, strings.ToUpper(text))
			}
		}
		stream.CloseSend()
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ends with %v", err)
		}
	}, h2c, h2s)
}

func TestGRPCWithoutServerIsUnavailable(t *testing.T) {
	r := start(t, setup{mode: h2c, targets: []string{"h2c://" + nowhere(t)}})
	cc, err := grpc.NewClient("passthrough:///"+r.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	ctx, cancel := context.WithTimeout(context.Background(), testnet.Patience)
	defer cancel()
	err = cc.Invoke(ctx, "/test.Echo/Echo", wrapperspb.String("x"), new(wrapperspb.StringValue))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("error %v, want code Unavailable", err)
	}
}
