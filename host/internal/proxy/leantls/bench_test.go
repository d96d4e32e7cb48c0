package leantls

import "testing"

// BenchmarkRequest is a request and its answer over a connection that stays
// awake, and over one that is released before each: the difference is what
// parking costs here.
func BenchmarkRequest(b *testing.B) {
	for _, released := range []bool{false, true} {
		b.Run(map[bool]string{false: "awake", true: "released"}[released], func(b *testing.B) {
			server, client := kinds[0].open(b)
			p := make([]byte, 500)
			b.ReportAllocs()
			for b.Loop() {
				echo(b, server, client, p)
				if released {
					Release(server)
				}
			}
		})
	}
}

// BenchmarkRelease is putting to sleep and waking both ciphers alone.
func BenchmarkRelease(b *testing.B) {
	server, client := kinds[0].open(b)
	echo(b, server, client, []byte("x"))
	Release(server)
	d := (*dormantIn)(server)
	out := (*dormantOut)(server)
	b.ReportAllocs()
	for b.Loop() {
		d.wake()
		out.wake()
		if Release(server) != 2*gcmBytes {
			b.Fatal("not released")
		}
	}
}
