package main

import (
	"strconv"
	"testing"

	"idlehost/host/internal/testnet"
)

// TestKeeperEndsWorkers: the end of the run ends what a proxy has started, even
// if the proxy does not care.
func TestKeeperEndsWorkers(t *testing.T) {
	k, err := spawn(beKeeper, "/bin/sh", "-c", "trap '' TERM; sleep 300 & sleep 300")
	if err != nil {
		t.Skip(err)
	}
	line, err := k.line()
	if err != nil {
		t.Fatal(err)
	}
	group, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := usage(group); err != nil {
		k.end()
		t.Skip(err)
	}
	k.end()
	testnet.Eventually(t, "the group has ended", func() bool { _, _, err := usage(group); return err != nil })
}

func TestKeeperTellsOfAnEnd(t *testing.T) {
	k, err := spawn(beKeeper, "/bin/sh", "-c", "echo it does not like it >&2; exit 3")
	if err != nil {
		t.Skip(err)
	}
	if _, err := k.line(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.line(); err == nil {
		t.Error("a second line")
	}
	k.end()
	for _, want := range []string{"it does not like it", "exit status 3"} {
		if !containsAll(k.says.String(), []string{want}) {
			t.Errorf("no %q in %q", want, k.says)
		}
	}
	if err := keep(nil, nil, nil); err == nil {
		t.Error("kept nothing")
	}
}
