package abi_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"idlehost/sdk/abi"
)

// TestGeneratedFilesAreUpToDate: the generator, given a copy of the schema and
// of the text, writes what is committed.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"abi/schema.toml", "ABI.md", "abi/abi.go", "c/idlehost.h"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "abi/schema.toml" || name == "ABI.md" {
			if err := os.WriteFile(filepath.Join(dir, name), read(t, name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := exec.Command("go", "run", "./gen", "-sdk", dir).CombinedOutput(); err != nil {
		t.Fatalf("gen: %v\n%s", err, out)
	}
	for _, name := range []string{"abi/abi.go", "c/idlehost.h", "ABI.md"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(read(t, name)) {
			t.Errorf("sdk/%s is not what schema.toml says: run go generate ./sdk/abi", name)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHeaderAgrees holds what the C header says of offsets against the
// constants of this package, by names that only differ in style.
func TestHeaderAgrees(t *testing.T) {
	header := string(read(t, "c/idlehost.h"))
	for name, size := range map[string]int{"event": abi.EventUsed, "gaps": abi.GapsSize} {
		if !strings.Contains(header, fmt.Sprintf("_Static_assert(sizeof(struct %s) == %d,", name, size)) {
			t.Errorf("header does not assert %d bytes of %s", size, name)
		}
	}
	for name, want := range map[string]int{
		"u8 state[32]": abi.EventStateOffset, "u32 leases[16]": abi.EventLeasesOffset,
		"u64 now_ms": abi.EventNowMsOffset, "u32 client_gaps[32]": abi.EventClientGapsOffset,
		"u32 cut[96]": abi.GapsCutOffset,
	} {
		if !strings.Contains(header, fmt.Sprintf("\t%s; /* %d: ", name, want)) {
			t.Errorf("header does not have %s at %d", name, want)
		}
	}
}

// TestNumbersInTheTextAreRight: those that ABI.md states in prose, outside
// the generated tables.
func TestNumbersInTheTextAreRight(t *testing.T) {
	text := string(read(t, "ABI.md"))
	for _, want := range []string{
		fmt.Sprintf("# The policy ABI, version %d\n", abi.Version),
		fmt.Sprintf("| 0 to %d | [the event]", abi.EventSize-1),
		fmt.Sprintf("| %d to %d | [the gaps]", abi.GapsOffset, abi.BufferSize-1),
		fmt.Sprintf("%d bytes are enough for a policy", abi.EventSize),
		fmt.Sprintf("use for the gaps, %d for one that", abi.BufferSize),
		fmt.Sprintf("behind byte %d of the buffer", abi.BufferSize-1),
		fmt.Sprintf("(%d bytes or more)", abi.EventLeasesOffset+4*abi.Phases),
		fmt.Sprintf("connection**: %d bytes in the event", abi.StateSize),
		fmt.Sprintf("| `0x0000_00_01_0000ea60` | extend by %d ms", abi.Verdict(abi.ActionExtend, 60000, 0, 0)&0xffffffff),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("ABI.md does not say %q", want)
		}
	}
	if got := abi.Verdict(abi.ActionClose, 0, abi.FlagLog, 7); got != 0x0007_01_02_00000000 {
		t.Errorf("close with reason 7 and log is %#x", got)
	}
	if got := abi.Verdict(abi.ActionDefault, 0, abi.FlagLeases, 0); got != 0x0000_02_00_00000000 {
		t.Errorf("default with leases is %#x", got)
	}
}

// TestBinTableOfTheText holds the examples of ABI.md against Bin.
func TestBinTableOfTheText(t *testing.T) {
	m := regexp.MustCompile(`\| g \|(.*)\|\n\|.*\n\| bin \|(.*)\|\n`).FindSubmatch(read(t, "ABI.md"))
	if m == nil {
		t.Fatal("ABI.md has no table of bins")
	}
	gaps, bins := strings.Split(string(m[1]), "|"), strings.Split(string(m[2]), "|")
	if len(gaps) != len(bins) || len(gaps) < 5 {
		t.Fatalf("table has %d gaps and %d bins", len(gaps), len(bins))
	}
	for i := range gaps {
		g, err := strconv.ParseUint(strings.TrimSpace(gaps[i]), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(abi.Bin(uint32(g))); got != strings.TrimSpace(bins[i]) {
			t.Errorf("Bin(%d) is %s, ABI.md says %s", g, got, bins[i])
		}
	}
}

// TestLinksOfTheText: every link within ABI.md leads to a heading.
func TestLinksOfTheText(t *testing.T) {
	text := string(read(t, "ABI.md"))
	anchors := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchors[strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(h[1], ",", "")), " ", "-")] = true
	}
	for _, l := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		if !anchors[l[1]] {
			t.Errorf("link to #%s leads nowhere", l[1])
		}
	}
}
