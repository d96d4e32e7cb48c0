package main

import (
	"embed"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
)

//go:embed conf/*.tmpl
var confs embed.FS

// hold is the policy that is asked every five seconds; see hold.wat.
//
//go:embed hold.wasm
var hold []byte

// setting is what a contestant's configuration is made from. Addresses are
// host:port.
type setting struct {
	Dir         string // a folder of its own
	Plain, TLS  string // where it listens
	H2C         string // the same, for those that want to be told what is spoken; else Plain
	Upstream    string
	Cert, Key   string // PEM files
	Pair        string // both in one
	Threads     int    // that work at a time
	Descriptors int
	ParkAfter   string // of the host; empty: its default
	Policy      string // file of the host's policy; empty: none
	Admin       string // of the host; empty: none
}

// PlainPort and TLSPort are for those that take the host apart.
func (s *setting) PlainPort() string { return portOf(s.Plain) }

// TLSPort is like PlainPort.
func (s *setting) TLSPort() string { return portOf(s.TLS) }

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // freeAddress has joined it
	return port
}

// address returns where connections of a kind go.
func (s *setting) address(k kind) string {
	switch {
	case k.secure():
		return s.TLS
	case k == h2clear:
		return s.H2C
	}
	return s.Plain
}

// write lays the configuration into the contestant's folder.
func (s *setting) write(conf string) (string, error) {
	t, err := template.ParseFS(confs, "conf/"+conf+".tmpl")
	if err != nil {
		return "", err
	}
	name := filepath.Join(s.Dir, conf)
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := t.Execute(f, s); err != nil {
		return "", fmt.Errorf("%s: %w", conf, err)
	}
	return name, f.Close()
}

// freeAddress returns an address of the loopback interface that nobody listens
// on, with a port below those that the kernel gives to outgoing connections.
func freeAddress() (string, error) {
	var err error
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(12000+rand.IntN(20000)))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("no free port: %w", err)
}
