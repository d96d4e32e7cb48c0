package confine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// These are the arguments with which the test binary becomes another process.
const (
	childEntry = "confined" // attempt, arguments, measures that are wanted
	hostEntry  = "host"     // starts a child that waits, and waits itself
	execEntry  = "executed" // an attempt that has succeeded
	idleEntry  = "idle"     // a child that says where it is, and waits for its end
)

const testMarker = "CONFINE_TEST"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case childEntry:
			os.Exit(child(os.Args[2], os.Args[3], os.Args[4]))
		case hostEntry:
			os.Exit(host(os.Args[2]))
		case execEntry:
			fmt.Println("{}")
			os.Exit(0)
		case idleEntry:
			os.Exit(idle())
		}
	}
	os.Exit(m.Run())
}

// outcome is what a child says of an attempt.
type outcome struct {
	Report Report
	Value  string
	Error  string
	Errno  syscall.Errno
}

// child enters, makes one attempt and says how it went.
func child(attempt, arguments, wanted string) int {
	l, err := Passed(testMarker)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var list []Measure
	var args []string
	if err := errors.Join(json.Unmarshal([]byte(wanted), &list), json.Unmarshal([]byte(arguments), &args)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	a := attempts[attempt]
	if a.before != nil {
		a.before(args)
	}
	var o outcome
	if o.Report, err = enter(l, list); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	o.Value, err = a.do(args)
	if err != nil {
		o.Error = err.Error()
		errors.As(err, &o.Errno)
	}
	if err := json.NewEncoder(os.Stdout).Encode(o); err != nil {
		return 1
	}
	return 0
}

// host starts a child as production does, and is then killed.
func host(how string) int {
	if how == "removed" {
		if err := os.Remove(os.Args[0]); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	p, err := Start(context.Background(), Spec{Argv: []string{"t", idleEntry}, Marker: testMarker, Stdout: os.Stdout})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	e := p.Wait()
	fmt.Fprintln(os.Stderr, e)
	return 1
}

// idle is a child that nothing but a signal ends.
func idle() int {
	l, err := Passed(testMarker)
	if err == nil {
		_, err = Enter(l)
	}
	fmt.Println(os.Getpid(), err)
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	for {
		_, _ = unix.Poll(nil, -1)
	}
}

// try has a child make an attempt under l and those of all measures that are
// not off.
func try(t *testing.T, l Limits, attempt string, args []string, off ...Measure) (outcome, Exit, string) {
	t.Helper()
	wanted := slices.DeleteFunc(slices.Clone(measures), func(m Measure) bool { return slices.Contains(off, m) })
	w, _ := json.Marshal(wanted)
	a, _ := json.Marshal(args)
	var stdout, stderr strings.Builder
	p, err := Start(t.Context(), Spec{
		Argv: []string{"t", childEntry, attempt, string(a), string(w)}, Marker: testMarker, Limits: l,
		Stdout: &stdout, Stderr: &stderr, Processors: 2, GCPercent: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	e := p.Wait()
	var o outcome
	if err := json.NewDecoder(strings.NewReader(stdout.String())).Decode(&o); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%q: %v", stdout.String(), err)
	}
	return o, e, stderr.String()
}
