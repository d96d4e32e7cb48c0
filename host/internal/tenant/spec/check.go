package spec

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Problem is what is wrong with a part of a Spec.
type Problem struct {
	// Field is the path of the part, with the names of the JSON: "hosts[1]".
	Field string
	Text  string
	Hint  string // what to write instead; may be empty
}

// Normalize brings names and addresses into the one form that they are compared
// in, and returns all that is wrong. Whether another tenant has one of them
// already, it does not know.
func Normalize(s Spec) (Spec, []Problem) {
	var p problems
	switch s.Isolate {
	case "", IsolateOwn:
	case IsolateShared:
		s.Isolate = ""
	default:
		p.add("isolate", fmt.Sprintf("unknown value %s", quote(s.Isolate)), "choose from own, shared")
	}
	s.Hosts = p.list("hosts", s.Hosts, readHost)
	s.Destinations = p.list("destinations", s.Destinations, readDestination)
	s.Upstreams = p.list("upstreams", s.Upstreams, func(text string) (string, string, string) {
		problem, hint := CheckUpstream(text)
		return text, problem, hint
	})
	p.limits(s.Limits)
	p.guard(s.Guard)
	return s, p
}

type problems []Problem

func (p *problems) add(field, text, hint string) { *p = append(*p, Problem{field, text, hint}) }

// list reads each item; none may come twice. Of no items it makes nil.
func (p *problems) list(field string, in []string, read func(string) (item, problem, hint string)) (out []string) {
	for i, text := range in {
		item, problem, hint := read(text)
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case problem != "":
			p.add(at, problem, hint)
		case slices.Contains(out, item):
			p.add(at, item+" is there twice", "")
		}
		out = append(out, item)
	}
	return out
}

// maxMemoryPages is what a 32-bit memory can have.
const maxMemoryPages = 1 << 16

func (p *problems) limits(l Limits) {
	for _, n := range []struct {
		key string
		v   int64
	}{
		{"connections", int64(l.Connections)}, {"client_connections", int64(l.ClientConnections)},
		{"fuel_per_second", l.FuelPerSecond}, {"cpu", int64(l.CPU)}, {"memory_pages", int64(l.MemoryPages)},
		{"log_rate", int64(l.LogRate)}, {"log_burst", int64(l.LogBurst)},
		{"floor", int64(l.Floor)}, {"ceiling", int64(l.Ceiling)}, {"store_bytes", int64(l.StoreBytes)},
	} {
		if n.v < 0 {
			p.add("limits."+n.key, fmt.Sprintf("%d is negative", n.v), "")
		}
	}
	if l.MemoryPages > maxMemoryPages {
		p.add("limits.memory_pages", fmt.Sprintf("%d is more than WebAssembly has, %d", l.MemoryPages, maxMemoryPages), "")
	}
	if l.Ceiling > 0 && l.Floor > l.Ceiling {
		p.add("limits.floor", fmt.Sprintf("floor %s is above the ceiling %s", l.Floor, l.Ceiling), "")
	}
}

func (p *problems) guard(g Guard) {
	for _, m := range []struct {
		key string
		v   float64
	}{{"faults", g.Faults}, {"early_closes", g.EarlyCloses}, {"late_requests", g.LateRequests}} {
		if math.IsNaN(m.v) || m.v < -1 || m.v > 1 {
			p.add("guard."+m.key, fmt.Sprintf("%v is not from -1 to 1", m.v), "a margin in parts of one: 0.02 is two in a hundred")
		}
	}
	if g.MinSamples < 0 {
		p.add("guard.min_samples", fmt.Sprintf("%d is negative", g.MinSamples), "")
	}
}

// CheckName returns what keeps a text from being a tenant's name, or "". What
// passes is safe as a path element, a DNS label and a metric label.
func CheckName(name string) (problem string) {
	rest := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-")
	if name == "" || len(name) > MaxName || rest != "" || name[0] == '-' || name[len(name)-1] == '-' {
		return fmt.Sprintf("%s is not a name", quote(name))
	}
	return ""
}

// MaxName is the length of the longest name of a tenant. NameHint describes
// what CheckName takes.
const (
	MaxName  = 63
	NameHint = "up to 63 of a-z, 0-9 and -, not - at either end"
)

// readHost reads the name of a host: a DNS name (RFC 1123 section 2.1), or "*."
// before one. It may be an address too, since requests name those as well.
func readHost(text string) (host, problem, hint string) {
	const such = `such as "a.example" or "*.a.example"`
	host = strings.TrimSuffix(lower(text), ".")
	name := strings.TrimPrefix(host, "*.")
	if len(name) > 253 {
		return "", fmt.Sprintf("%s is not a host name: it is longer than 253 bytes", quote(text)), such
	}
	for label := range strings.SplitSeq(name, ".") {
		if problem := checkLabel(label); problem != "" {
			return "", fmt.Sprintf("%s is not a host name: %s", quote(text), problem), such
		}
	}
	return host, "", ""
}

// checkLabel returns what is wrong with a part of a host name. The underscore is
// no letter of DNS host names, but names with it are in use.
func checkLabel(label string) string {
	switch {
	case label == "":
		return "a label is empty"
	case len(label) > 63:
		return "a label is longer than 63"
	case label == "*":
		return "only the whole first label may be *"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "a label begins or ends with -"
	}
	for i := range len(label) {
		switch c := label[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c >= 0x80:
			return "it is not in ASCII: write an internationalised name as xn--"
		default:
			return "it has more than letters, digits and -"
		}
	}
	return ""
}

// lower is ASCII's: Unicode has letters whose lower case is ASCII.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// readDestination reads an address, one with a port, or a network.
func readDestination(text string) (destination, problem, hint string) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return a.Unmap().String(), "", ""
	}
	if a, err := netip.ParseAddrPort(text); err == nil && a.Addr().Zone() == "" && a.Port() != 0 {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String(), "", ""
	}
	if p, err := netip.ParsePrefix(text); err == nil && !p.Addr().Is4In6() {
		return p.Masked().String(), "", ""
	}
	return "", quote(text) + " is no address", `such as "192.0.2.1", "192.0.2.1:443" or "192.0.2.0/24"`
}

// maxURL bounds an upstream's text.
const maxURL = 1024

// CheckUpstream returns what is wrong with the URL of a target, or "".
func CheckUpstream(text string) (problem, hint string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" && !strings.Contains(text, "://") {
		return quote(text) + " is not a URL", "write " + quote("http://"+text)
	}
	schemes := []string{"http", "https", "h2c", "tcp"}
	switch {
	case len(text) > maxURL:
		return fmt.Sprintf("%s is longer than %d bytes", quote(text), maxURL), ""
	case !slices.Contains(schemes, u.Scheme):
		return fmt.Sprintf("unknown scheme %s", quote(u.Scheme)), "known: " + strings.Join(schemes, ", ")
	case u.Hostname() == "":
		return quote(text) + " names no host", ""
	case u.Scheme == "tcp" && u.Port() == "":
		return quote(text) + " names no port", `write "tcp://host:port"`
	case u.Scheme == "tcp" && u.Path != "" && u.Path != "/":
		return quote(text) + " has a path", "bytes are relayed as they come: leave it out"
	case u.User != nil:
		return "credentials in a target are not sent", "leave them out"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return quote(text) + " has a query or a fragment", "leave it out"
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || n == 0) {
		return fmt.Sprintf("the port of %s is not from 1 to 65535", quote(text)), ""
	}
	return "", ""
}

// quote quotes the beginning of a text that anybody may have written.
func quote(text string) string {
	if len(text) > 80 {
		return strconv.Quote(text[:80]) + "..."
	}
	return strconv.Quote(text)
}
