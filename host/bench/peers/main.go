// Command peers measures what an idle connection and a request cost the host,
// parking and not, beside net/http, Caddy, nginx and HAProxy: the same clients
// against each, in one run on one machine.
//
//	peers -o results.txt            # everything; the tables go to the standard output
//	peers -short                    # small, within three minutes
//	peers -table results.txt        # the tables of a former run
//
// The load, the upstreams and the proxies are processes of their own. Their
// configurations are in conf, install.sh gets the programs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// What the program is, when it is started with one of these as its first
// argument.
const (
	beUpstream = "be-upstream" // answers requests
	beClients  = "be-clients"  // holds connections, loads
	beBare     = "be-bare"     // the contestant that is net/http alone
	beKeeper   = "be-keeper"   // ends a contestant with the run
)

func main() {
	err := dispatch(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers: error:", err)
		os.Exit(1)
	}
}

func dispatch(args []string) error {
	role := ""
	if len(args) > 0 {
		role = args[0]
	}
	switch role {
	case beUpstream:
		return serveUpstream(os.Stdin, os.Stdout)
	case beClients:
		return obey(os.Stdin, os.Stdout)
	case beBare:
		return serveBare(args[1:])
	case beKeeper:
		return keep(args[1:], os.Stdin, os.Stdout)
	}
	p, err := parsePlan(args)
	if err != nil {
		return err
	}
	if p.table != "" {
		return p.show()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.run(ctx)
}
