package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
	"idlehost/sdk/abi"
)

// layered returns a layer and the client's end below it.
func layered(t testing.TB, buffer int) (*Conn, *idle.Conn, *testnet.Conn) {
	t.Helper()
	gov := idle.New(idle.Config{Shards: 1, Linger: -1})
	t.Cleanup(func() { gov.Close() })
	client, server := testnet.Pipe(buffer)
	t.Cleanup(func() { client.Close(); server.Close() })
	a := idle.NewAccount("test", policy.Fixed{}, nil, policy.Timeouts{}, policy.Limits{})
	c := gov.Govern(server, a, abi.SideAccepted)
	if err := c.Admit(nil); err != nil {
		t.Fatal(err)
	}
	c.SetProtocol(abi.ProtocolHTTP2)
	c.SetPhase(abi.PhaseStreamIdle)
	return newConn(newSession(NewServer(Config{}), t.Context(), c, c), nil), c, client
}

func FuzzLayerPassesBytesUnchanged(f *testing.F) {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	fr.WriteSettings()
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("x"), EndHeaders: true})
	fr.WriteRSTStream(1, http2.ErrCodeCancel)
	fr.WriteGoAway(1, http2.ErrCodeNo, nil)
	f.Add(b.Bytes(), b.Bytes())
	f.Add([]byte("\xff\xff\xff\xff"), []byte{})
	f.Fuzz(func(t *testing.T, in, out []byte) {
		if len(in) > 1<<16 || len(out) > 1<<16 {
			return
		}
		h, c, client := layered(t, 1<<17)
		client.Write(in)
		client.CloseWrite()
		got, err := io.ReadAll(h)
		if errors.Is(err, errTooManyStreams) {
			return
		}
		if err != nil || !bytes.Equal(got, in) {
			t.Errorf("%d bytes of %d arrive, %v", len(got), len(in), err)
		}
		if n, err := h.Write(out); n != len(out) || err != nil {
			t.Errorf("%d bytes of %d are written, %v", n, len(out), err)
		}
		c.NetConn().(*testnet.Conn).CloseWrite()
		if got, _ := io.ReadAll(client); !bytes.Equal(got, out) {
			t.Errorf("%d bytes of %d leave", len(got), len(out))
		}
	})
}

func TestLayerDoesNotAllocate(t *testing.T) {
	h, _, _ := layered(t, 1)
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 50), EndHeaders: true})
	fr.WriteData(1, true, make([]byte, 100))
	fr.WritePing(false, [8]byte{})
	fr.WriteRSTStream(1, http2.ErrCodeCancel)
	id := uint32(1)
	n := testing.AllocsPerRun(1000, func() {
		p := b.Bytes()
		p[8], p[7] = byte(id), byte(id>>8)
		id += 2
		h.in.scan(p, (*inbound)(h))
		h.midBlock()
		h.out.scan(p, (*outbound)(h))
	})
	if n != 0 {
		t.Errorf("%v allocations for four frames each way", n)
	}
}

func TestSignsOfLifeAreControl(t *testing.T) {
	h, c, client := layered(t, 1<<12)
	fr := http2.NewFramer(client, client)
	for name, write := range map[string]func(){
		"PING":          func() { fr.WritePing(false, [8]byte{}) },
		"SETTINGS":      func() { fr.WriteSettings() },
		"WINDOW_UPDATE": func() { fr.WriteWindowUpdate(0, 1) },
	} {
		write()
		h.Read(make([]byte, 100))
		if p := c.Phase(); p != abi.PhaseStreamIdle {
			t.Errorf("%s moves to phase %v", name, p)
		}
	}
}

func TestTooManyStreamsEndTheSession(t *testing.T) {
	h, _, client := layered(t, 1<<20)
	fr := http2.NewFramer(client, client)
	for id := uint32(1); id < 2*maxOpen+5; id += 2 {
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true})
	}
	if _, err := io.Copy(io.Discard, h); !errors.Is(err, errTooManyStreams) {
		t.Errorf("error %v", err)
	}
}

// TestEndIsSaidAtABoundary ends sessions while their server writes frames in
// pieces, and reads what the client sees: whole frames, GOAWAY last.
func TestEndIsSaidAtABoundary(t *testing.T) {
	said := 0
	for range 50 {
		h, c, client := layered(t, 1<<12)
		var wg sync.WaitGroup
		wg.Go(func() { // the server, writing PINGs until the end
			ping := []byte("\x00\x00\x08\x06\x00\x00\x00\x00\x00pingping")
			for {
				for i := 0; i < len(ping); i += 5 {
					if _, err := h.Write(ping[i:min(i+5, len(ping))]); err != nil {
						return
					}
				}
			}
		})
		wg.Go(func() {
			_, err := h.Read(make([]byte, 9))
			if err != io.EOF {
				t.Errorf("the server's read ends with %v", err)
			}
			c.Close()
		})
		fr := http2.NewFramer(nil, client)
		fr.ReadFrame()
		c.Shut(policy.ReasonPolicy)
		client.SetReadDeadline(time.Now().Add(testnet.Patience))
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("frames out of step: %v", err)
				}
				break
			}
			if _, ok := f.(*http2.PingFrame); ok {
				continue
			}
			if _, ok := f.(*http2.GoAwayFrame); !ok {
				t.Errorf("the client sees %v", f)
				break
			}
			said++
		}
		client.Close()
		wg.Wait()
	}
	if said == 0 { // between two pieces of a frame it is left out
		t.Error("GOAWAY was never written")
	}
}

func TestEndWaitsForOpenStreams(t *testing.T) {
	h, c, client := layered(t, 1<<16)
	fr := http2.NewFramer(client, client)
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true})
	h.Read(make([]byte, 9))
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, h)
		read <- err
	}()
	c.Shut(policy.ReasonDrain)
	f, err := fr.ReadFrame()
	if g, ok := f.(*http2.GoAwayFrame); !ok || g.LastStreamID != lastStream {
		t.Fatalf("first good-bye %v, %v", f, err)
	}
	select {
	case err := <-read:
		t.Fatalf("ended with a stream open: %v", err)
	default:
	}
	http2.NewFramer(h, nil).WriteData(1, true, []byte("answer"))
	if err := <-read; err != nil {
		t.Errorf("the server's reads end with %v", err)
	}
	var kinds []http2.FrameType
	for range 2 {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, f.Header().Type)
		if g, ok := f.(*http2.GoAwayFrame); ok && g.LastStreamID != 1 {
			t.Errorf("last good-bye names stream %d", g.LastStreamID)
		}
	}
	if kinds[0] != http2.FrameData || kinds[1] != http2.FrameGoAway {
		t.Errorf("frames %v", kinds)
	}
	c.Close()
}

var _ net.Conn = (*Conn)(nil)
