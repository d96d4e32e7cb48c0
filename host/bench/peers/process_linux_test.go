package main

import (
	"os/exec"
	"testing"
)

func TestGroupOf(t *testing.T) {
	for stat, want := range map[string]struct {
		group  int
		zombie bool
	}{
		"12 (nginx) S 1 77 77 0":        {77, false},
		"12 (a) b) (c) Z 1 78 77 0":     {78, true},
		"12 (no numbers) S one two 3 4": {0, false},
		"12 (short) S":                  {0, false},
		"":                              {0, false},
	} {
		if g, z := groupOf(stat); g != want.group || z != want.zombie {
			t.Errorf("groupOf(%q) = %d, %v; want %d, %v", stat, g, z, want.group, want.zombie)
		}
	}
}

func TestResident(t *testing.T) {
	const smaps = "5630a3145000-7ffd51620000 ---p 00000000 00:00 0   [rollup]\nRss:                1772 kB\nPss:                 299 kB\n"
	if n, err := resident(smaps); err != nil || n != 1772<<10 {
		t.Errorf("resident = %d, %v", n, err)
	}
	for _, bad := range []string{"", "Rss: many kB\n", "Pss: 3 kB\n"} {
		if n, err := resident(bad); err == nil {
			t.Errorf("resident(%q) = %d", bad, n)
		}
	}
}

func TestMembersOfNobody(t *testing.T) {
	if pids, err := members(1 << 30); err == nil {
		t.Errorf("members = %v", pids)
	}
}

// TestUsageOfAGroupThatChanges: processes come and go in the group while it is
// measured.
func TestUsageOfAGroupThatChanges(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do /bin/true; done")
	cmd.SysProcAttr = apart()
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	defer func() {
		if err := killGroup(cmd.Process.Pid); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}()
	for range 50 {
		if _, _, err := usage(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
}
