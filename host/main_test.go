package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"idlehost/host/internal/cli"
	"idlehost/host/internal/testnet"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"host": func() { os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScript runs the command line as people do: testdata/script/*.txtar.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			examples, err := os.ReadDir("../examples/basic")
			if err != nil {
				return err
			}
			for _, e := range examples {
				data, err := os.ReadFile("../examples/basic/" + e.Name())
				if err != nil {
					return err
				}
				if err := os.WriteFile(env.WorkDir+"/"+e.Name(), data, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "freeport": freePort, "fetch": fetch, "gone": gone, "signal": sendSignal,
		},
	})
}

// code N COMMAND... runs a command that must exit with N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// freeport NAME... sets each to a port that nobody listens on.
func freePort(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ts.Setenv(name, port)
	}
}

// signal NAME sends a signal to the command in the background.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	known := map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	cmds := ts.BackgroundCmds()
	if len(args) != 1 || known[args[0]] == nil || len(cmds) != 1 {
		ts.Fatalf("usage: signal TERM|HUP, with one command in the background")
	}
	ts.Check(cmds[0].Process.Signal(known[args[0]]))
}

// fetch URL FILE [PATTERN...] puts the status and the body of an answer into FILE,
// once the address is listened on and all patterns match: what a client sees, the
// host may count a moment later.
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: fetch url file [pattern...]")
	}
	var patterns []*regexp.Regexp
	for _, p := range args[2:] {
		re, err := regexp.Compile("(?m)" + p)
		ts.Check(err)
		patterns = append(patterns, re)
	}
	var answer []byte
	var err error
	if !testnet.Holds(func() bool {
		answer, err = get(args[0])
		return err == nil && !slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool { return !re.Match(answer) })
	}) {
		ts.Fatalf("%s: %v, want %q in\n%s", args[0], err, args[2:], answer)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), answer, 0o600))
}

func get(url string) ([]byte, error) {
	res, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return append([]byte(res.Status+"\n"), body...), err
}

// gone ADDRESS opens a connection, says nothing, and returns when the host has
// closed it.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	nc, err := net.Dial("tcp", strings.TrimPrefix(args[0], "http://"))
	ts.Check(err)
	defer nc.Close()
	ts.Check(nc.SetDeadline(time.Now().Add(testnet.Patience)))
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		ts.Fatalf("read: %v, want an end", err)
	}
}
