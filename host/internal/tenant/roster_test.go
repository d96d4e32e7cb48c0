package tenant

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

func mustPut(t testing.TB, r *Roster[string], name string, k Keys) {
	t.Helper()
	if err := r.Put(name, k, name); err != nil {
		t.Fatal(err)
	}
}

func TestTheMostSpecificHostCounts(t *testing.T) {
	r := NewRoster[string]()
	mustPut(t, r, "exact", Keys{Hosts: []string{"Shop.Example."}})
	mustPut(t, r, "wild", Keys{Hosts: []string{"*.example"}})
	mustPut(t, r, "deep", Keys{Hosts: []string{"*.eu.shop.example", "::1"}})
	for host, want := range map[string]string{
		"shop.example": "exact", "SHOP.example.": "exact", "shop.example:8443": "exact", "shop.example.:80": "exact",
		"a.shop.example": "wild", "a.example": "wild", "b.a.example": "wild", "eu.shop.example": "wild",
		"a.eu.shop.example": "deep", "b.a.eu.shop.example": "deep", "[::1]:443": "deep", "[::1]": "deep", "::1": "deep",
		"example": "", ".example": "", "": "", ":80": "", "other": "", "xexample": "", "[::1": "", "..": "",
		strings.Repeat("a.", 122) + "example": "wild", strings.Repeat("a.", 200) + "example": "",
	} {
		if got, ok := r.Host(host); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", host, got, ok, want)
		}
	}
	if !r.Remove("wild") || r.Remove("wild") {
		t.Error("not removed once")
	}
	if got, ok := r.Host("a.example"); ok {
		t.Errorf("after its removal: %q", got)
	}
	if got, _ := r.Host("a.eu.shop.example"); got != "deep" {
		t.Errorf("another's wildcard: %q", got)
	}
}

func TestTheMostSpecificDestinationCounts(t *testing.T) {
	r := NewRoster[string]()
	mustPut(t, r, "socket", Keys{Destinations: []string{"192.0.2.1:443", "[2001:db8::1]:443"}})
	mustPut(t, r, "address", Keys{Destinations: []string{"192.0.2.1", "2001:db8::1/128"}})
	mustPut(t, r, "narrow", Keys{Destinations: []string{"192.0.2.0/28", "2001:db8::/64"}})
	mustPut(t, r, "wide", Keys{Destinations: []string{"192.0.0.0/16", "2001:db8::/32", "::ffff:198.51.100.0/120"}})
	for to, want := range map[string]string{
		"192.0.2.1:443": "socket", "[::ffff:192.0.2.1]:443": "socket", "[2001:db8::1]:443": "socket",
		"192.0.2.1:80": "address", "[2001:db8::1]:80": "address", "[2001:db8::1%eth0]:80": "address",
		"192.0.2.15:1": "narrow", "192.0.2.16:1": "wide", "198.51.100.7:1": "wide",
		"[2001:db8::ffff]:1": "narrow", "[2001:db8:1::]:1": "wide",
		"192.1.0.0:1": "", "[2001:db9::]:1": "",
	} {
		if got, ok := r.Destination(netip.MustParseAddrPort(to)); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", to, got, ok, want)
		}
	}
	if got, ok := r.Destination(netip.AddrPort{}); ok {
		t.Errorf("of nothing: %q", got)
	}
	r.Remove("narrow")
	if got, _ := r.Destination(netip.MustParseAddrPort("192.0.2.15:1")); got != "wide" {
		t.Errorf("after the narrower prefix is gone: %q", got)
	}
}

func TestAKeyBelongsToOneName(t *testing.T) {
	r := NewRoster[string]()
	mustPut(t, r, "a", Keys{
		Hosts:        []string{"a.example", "*.a.example"},
		Destinations: []string{"192.0.2.1", "192.0.2.1:443", "198.51.100.0/24"},
	})
	for _, k := range []Keys{
		{Hosts: []string{"b.example", "A.example."}}, {Hosts: []string{"*.A.example"}},
		{Destinations: []string{"192.0.2.1/32"}}, {Destinations: []string{"[::ffff:192.0.2.1]:443"}},
		{Destinations: []string{"198.51.100.9/24"}},
	} {
		err := r.Put("b", k, "b")
		if checked := r.Check("b", k); checked == nil || checked.Error() != err.Error() || r.Check("a", k) != nil {
			t.Errorf("%+v: checked %v", k, checked)
		}
		if err == nil || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), `"b"`) {
			t.Errorf("%+v: %v", k, err)
		}
	}
	if _, ok := r.Host("b.example"); ok || r.Len() != 1 {
		t.Error("a refused name is there in part")
	}
	// A name may have its own keys again, and give others up.
	mustPut(t, r, "a", Keys{Hosts: []string{"*.a.example", "c.example", "C.EXAMPLE"}})
	mustPut(t, r, "b", Keys{Hosts: []string{"a.example"}, Destinations: []string{"192.0.2.1"}})
	for host, want := range map[string]string{"a.example": "b", "x.a.example": "a", "c.example": "a"} {
		if got, _ := r.Host(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	if got, _ := r.Name("b"); got != "b" {
		t.Errorf("name: %q", got)
	}
	if _, ok := r.Name("c"); ok {
		t.Error("a name that is not there")
	}
}

func TestSenselessKeysAreRefused(t *testing.T) {
	r := NewRoster[string]()
	for _, k := range []Keys{
		{Hosts: []string{""}}, {Hosts: []string{"*."}}, {Hosts: []string{"*"}}, {Hosts: []string{"a.*.example"}}, {Hosts: []string{"*.*.a"}},
		{Hosts: []string{"a..b"}}, {Hosts: []string{".a"}}, {Hosts: []string{"a:80"}}, {Hosts: []string{"[::1]"}},
		{Hosts: []string{"a b"}}, {Hosts: []string{strings.Repeat("a", 254)}},
		{Destinations: []string{""}}, {Destinations: []string{"a.example"}}, {Destinations: []string{"192.0.2.1:0"}},
		{Destinations: []string{"192.0.2.0/33"}}, {Destinations: []string{"fe80::1%eth0"}}, {Destinations: []string{"::ffff:0:0/90"}},
		{Destinations: []string{"192.0.2.0/24:80"}},
	} {
		if err := r.Put("a", k, "a"); err == nil {
			t.Errorf("%+v is taken", k)
		}
	}
	if r.Len() != 0 {
		t.Error("something was put")
	}
}

func TestEachMayChangeTheRoster(t *testing.T) {
	r := NewRoster[string]()
	for i := range 10 {
		mustPut(t, r, fmt.Sprint(i), Keys{})
	}
	n := 0
	r.Each(func(name, _ string) bool { n++; return r.Remove(name) && n < 4 })
	if n != 4 || r.Len() != 6 {
		t.Errorf("%d visited, %d left", n, r.Len())
	}
}

// crowd is a roster of many tenants.
func crowd(t testing.TB, n int) *Roster[string] {
	r := NewRoster[string]()
	for i := range n {
		name := fmt.Sprintf("t%d", i)
		mustPut(t, r, name, Keys{
			Hosts:        []string{name + ".example.com", "*." + name + ".example.com"},
			Destinations: []string{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String(), fmt.Sprintf("2001:db8:%x::/48", i)},
		})
	}
	return r
}

func TestLookupsAllocateNothing(t *testing.T) {
	r := crowd(t, 100)
	to := netip.MustParseAddrPort("[2001:db8:7:1::1]:443")
	for what, f := range map[string]func() bool{
		"host":        func() bool { _, ok := r.Host("t7.example.com"); return ok },
		"below":       func() bool { _, ok := r.Host("WWW.t7.Example.com:443"); return ok },
		"destination": func() bool { _, ok := r.Destination(to); return ok },
		"name":        func() bool { _, ok := r.Name("t7"); return ok },
	} {
		if !f() {
			t.Errorf("%s: not found", what)
		}
		if n := testing.AllocsPerRun(100, func() { f() }); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

// TestHammerRoster looks up what never changes while the rest does.
func TestHammerRoster(t *testing.T) {
	r := crowd(t, 64)
	var busy sync.WaitGroup
	for w := range 2 {
		busy.Go(func() {
			name := fmt.Sprintf("w%d", w)
			for i := range 2000 {
				k := Keys{Hosts: []string{fmt.Sprintf("h%d.net", i%7), "*.deep.er." + name + ".net"}, Destinations: []string{fmt.Sprintf("172.16.0.0/%d", 12+i%9)}}
				_ = r.Put(name, k, name) // the other may have it
				if i%5 == 0 {
					r.Remove(name)
				}
			}
			r.Remove(name)
		})
		busy.Go(func() {
			to := netip.MustParseAddrPort("10.0.0.9:80")
			for range 2000 {
				a, _ := r.Host("x.t9.example.com")
				b, _ := r.Destination(to)
				r.Host("a.deep.er.w1.net")
				if a != "t9" || b != "t9" {
					t.Errorf("%q and %q", a, b)
					return
				}
			}
		})
	}
	busy.Wait()
	if r.Len() != 64 || len(r.hosts) != 64 || len(r.below) != 64 || r.depths.deepest != 3 || len(r.bits4.used) != 0 {
		t.Errorf("left over: %d names, %d hosts, %d wildcards, %d labels, %v", r.Len(), len(r.hosts), len(r.below), r.depths.deepest, r.bits4.used)
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"a.example", "*.example", "A.Example.:80", "[::1]:1", "..", "*.", "a:b:c"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, key, host string) {
		r := NewRoster[string]()
		err := r.Put("a", Keys{Hosts: []string{key}}, "a")
		got, ok := r.Host(host)
		if err != nil && ok {
			t.Fatalf("%q finds %q, which was refused", host, key)
		}
		if ok != (got == "a") {
			t.Fatalf("%q, %v", got, ok)
		}
		if exact := !strings.HasPrefix(key, "*."); err == nil && exact {
			if _, ok := r.Host(key); !ok {
				t.Fatalf("%q does not find itself", key)
			}
		}
	})
}

func FuzzDestination(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "192.0.2.1:80", "10.0.0.0/8", "::/0", "[::1]:2", "::ffff:1.2.3.4/128"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		r := NewRoster[string]()
		if r.Put("a", Keys{Destinations: []string{key}}, "a") != nil {
			return
		}
		to, err := netip.ParseAddrPort(key)
		if a, e := netip.ParseAddr(key); e == nil {
			to, err = netip.AddrPortFrom(a, 1), nil
		} else if p, e := netip.ParsePrefix(key); e == nil {
			to, err = netip.AddrPortFrom(p.Addr(), 1), nil
		}
		if _, ok := r.Destination(to); err != nil || !ok {
			t.Fatalf("%q does not find itself (%v)", key, err)
		}
	})
}

func BenchmarkRoster(b *testing.B) {
	r := crowd(b, 10_000)
	to, at := netip.MustParseAddrPort("[2001:db8:7:1::1]:443"), netip.MustParseAddrPort("10.0.0.9:443")
	for name, f := range map[string]func(){
		"host": func() { r.Host("t7.example.com") }, "below": func() { r.Host("www.t7.example.com") },
		"unknown": func() { r.Host("www.nobody.example.net") },
		"address": func() { r.Destination(at) }, "prefix": func() { r.Destination(to) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
		})
	}
	b.Run("host parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r.Host("t7.example.com")
			}
		})
	})
	b.Run("put", func(b *testing.B) {
		for b.Loop() {
			mustPut(b, r, "t7", Keys{Hosts: []string{"t7.example.com", "*.t7.example.com"}, Destinations: []string{"10.0.0.7", "2001:db8:7::/48"}})
		}
	})
}
