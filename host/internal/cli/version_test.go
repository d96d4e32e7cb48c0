package cli

import (
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionOf(t *testing.T) {
	vcs := func(revision, modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}
	}
	for _, c := range []struct {
		name string
		info debug.BuildInfo
		want string
	}{
		{"a module's tag", debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
		{"a commit after a tag", debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.20261201025400-b19ce8b21af8"}}, "v1.2.4-0.20261201025400-b19ce8b21af8"},
		{"no tag", debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20261201025400-b19ce8b21af8"}, Settings: vcs("b19ce8b21af8ffff", "false")}, release + "+b19ce8b21af8"},
		{"a changed tree", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs("b19ce8b21af8ffff", "true")}, release + "+b19ce8b21af8.modified"},
		{"no version control", debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, release},
	} {
		if got := versionOf(&c.info); got != c.want {
			t.Errorf("%s: version %s, want %s", c.name, got, c.want)
		}
	}
}

// TestReleaseIsInTheChangelog: the newest section of CHANGELOG.md is about the
// version that this program says it is.
func TestReleaseIsInTheChangelog(t *testing.T) {
	text, err := os.ReadFile("../../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (.*)$`).FindStringSubmatch(string(text))
	if newest == nil {
		t.Fatal("CHANGELOG.md has no section")
	}
	switch v, dev := strings.CutSuffix(release, "-dev"); {
	case newest[1] == "Unreleased":
		if !dev || strings.Contains(string(text), "\n## "+v[1:]+", ") {
			t.Errorf("CHANGELOG.md has unreleased changes: const release is %s, want the next release and -dev", release)
		}
	case !regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+, [0-9]{4}-[0-9]{2}-[0-9]{2}$`).MatchString(newest[1]):
		t.Errorf("CHANGELOG.md: section %q, want VERSION, DATE or Unreleased", newest[1])
	case "v"+strings.Split(newest[1], ", ")[0] != release:
		t.Errorf("CHANGELOG.md begins with %s, const release is %s", newest[1], release)
	}
}
