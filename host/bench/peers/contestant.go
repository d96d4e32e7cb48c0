package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// contestant is one of those that are compared.
type contestant struct {
	name, title string
	conf        string // template in conf; none: arguments say all
	find        func(p *plan) (program string, err error)
	args        func(s *setting, conf string) []string
	version     []string // arguments that make the program tell its version; none: it is built by Go
	vary        func(s *setting)
	separate    bool // has an address of its own for h2c
}

// The host's contestants are in front of the tables; the others follow.
var contestants = []contestant{
	{name: "host", title: "host", conf: "host.toml", find: findHost, args: withConfig},
	{name: "host-unparked", title: "host, never parking", conf: "host.toml", find: findHost, args: withConfig,
		vary: func(s *setting) { s.ParkAfter = "0" }},
	{name: "net-http", title: "net/http", find: findSelf, args: func(s *setting, _ string) []string {
		return []string{beBare, "-plain", s.Plain, "-tls", s.TLS, "-cert", s.Cert, "-key", s.Key, "-upstream", s.Upstream}
	}},
	{name: "caddy", title: "Caddy", conf: "Caddyfile", find: findCaddy,
		args: func(_ *setting, conf string) []string {
			return []string{"run", "--adapter", "caddyfile", "--config", conf}
		}},
	{name: "nginx", title: "nginx", conf: "nginx.conf", find: findIn("nginx", "/usr/sbin"), version: []string{"-v"},
		args:     func(s *setting, conf string) []string { return []string{"-p", s.Dir, "-c", conf, "-e", "stderr"} },
		separate: true},
	{name: "haproxy", title: "HAProxy", conf: "haproxy.cfg", find: findIn("haproxy", "/usr/sbin"), version: []string{"-v"},
		args:     func(_ *setting, conf string) []string { return []string{"-f", conf} },
		separate: true},
}

func withConfig(_ *setting, conf string) []string { return []string{"--config", conf} }

func titleOf(name string) string {
	for _, c := range contestants {
		if c.name == name {
			return c.title
		}
	}
	return name
}

// findHost builds the host once, as the Makefile does.
func findHost(p *plan) (string, error) {
	if p.host != "" {
		return p.host, nil
	}
	program := filepath.Join(p.dir, "host")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if text, err := exec.Command("go", "build", "-trimpath", "-o", program, "idlehost/host").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the host: %w\n%s", err, text)
	}
	return program, nil
}

func findSelf(*plan) (string, error) { return os.Executable() }

var errMissing = errors.New("missing: host/bench/peers/install.sh gets it")

// findIn looks in the search path, and where root's programs are.
func findIn(name, dir string) func(*plan) (string, error) {
	return func(*plan) (string, error) {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
		program := filepath.Join(dir, name)
		if _, err := os.Stat(program); err != nil {
			return "", fmt.Errorf("%s: %w", name, errMissing)
		}
		return program, nil
	}
}

// findCaddy looks for a Caddy that was named, or built by install.sh.
func findCaddy(p *plan) (string, error) {
	if p.caddy != "" {
		return p.caddy, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return findIn("caddy", filepath.Join(cache, "idlehost-peers"))(p)
}

// tellVersion returns what the program is: the first line that it says about
// itself, or the module that it was built from.
func (c contestant) tellVersion(program string) string {
	if c.version == nil {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return "of unknown version"
		}
		return fmt.Sprintf("%s %s, %s", info.Main.Path, info.Main.Version, info.GoVersion)
	}
	text, err := exec.Command(program, c.version...).CombinedOutput()
	if err != nil {
		return "of unknown version"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
