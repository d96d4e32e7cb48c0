package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// TestScript commands a host as people do: testdata/script/*.txtar. Every
// script has a world of its own at $HOST_SERVER.
func TestScript(t *testing.T) {
	dir, err := filepath.Abs("testdata/script") // commands change the directory
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                dir,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			url, end, err := startWorld(env.WorkDir + "/store")
			if err != nil {
				return err
			}
			env.Defer(func() {
				if err := end(); err != nil {
					t.Error(err)
				}
			})
			if err := os.CopyFS(env.WorkDir+"/signed", os.DirFS(dir+"/../../../control/testdata")); err != nil {
				return err
			}
			env.Setenv("RECORDING", filepath.Clean(dir+"/../../../trace/testdata/v2.trace"))
			env.Setenv("HOST_SERVER", url)
			env.Setenv("HOST_TOKEN", operatorToken)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"host": host, "code": exitCode, "steady": steady, "setfile": setFile, "narrow": narrow,
			"cutoff": cutOff, "spoil": spoil,
		},
	})
}

// passing is how long ago something was: seconds in which a script has run.
var passing = regexp.MustCompile(` \d{1,2}s\b( ago)?`)

// steady FILE compares what was printed with a file, in which moments that
// pass are "now".
func steady(ts *testscript.TestScript, _ bool, args []string) {
	want := ts.ReadFile(args[1])
	got := now(ts.ReadFile(args[0]))
	if got != want {
		ts.Fatalf("%s is not %s:\n%s", args[0], args[1], got)
	}
}

// recorded is how large a recording is: its header names the version of the host.
var recorded = regexp.MustCompile(`\d+ B, (\d+ records)`)

// now makes steady what depends on when a script runs, and on the version. Columns
// behind it may move, so runs of blanks count as two.
func now(text string) string {
	text = passing.ReplaceAllString(text, " now")
	text = recorded.ReplaceAllString(text, "N B, $1")
	return regexp.MustCompile(` {2,}`).ReplaceAllString(text, "  ")
}

// setfile NAME FILE [EXPRESSION] sets a variable to what a file holds, or to what
// the expression's parentheses match in it.
func setFile(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.TrimSpace(ts.ReadFile(args[1]))
	if len(args) > 2 {
		m := regexp.MustCompile(args[2]).FindStringSubmatch(text)
		if m == nil {
			ts.Fatalf("no %s in %s", args[2], text)
		}
		text = m[1]
	}
	ts.Setenv(args[0], text)
}

// narrow FILE COLUMNS fails if a line is wider.
func narrow(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.SplitSeq(ts.ReadFile(args[0]), "\n") {
		if len([]rune(line)) > 100 {
			ts.Fatalf("%d columns: %s", len(line), line)
		}
	}
}

// cutoff FILE N TO copies the first N bytes of a file.
func cutOff(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(ts.ReadFile(args[0]))[:n], 0o600))
}

// spoil FILE N TO copies a file with a bit of byte N flipped.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := []byte(ts.ReadFile(args[0]))
	b[n] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b, 0o600))
}

// one keeps commands, which have the process's directory and environment for
// themselves, apart. They run in this process: starting it costs half a second
// with the race detector in it.
var one sync.Mutex

// host ARGS... runs a command line, which must succeed.
func host(ts *testscript.TestScript, neg bool, args []string) {
	if got := command(ts, args); got != ExitOK || neg {
		ts.Fatalf("exit code %d", got)
	}
}

// exitCode N host ARGS... runs a command line that must exit with N.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	if got := command(ts, args[2:]); args[0] != fmt.Sprint(got) {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func command(ts *testscript.TestScript, args []string) int {
	one.Lock()
	defer one.Unlock()
	for _, name := range []string{envServer, envToken, envTenant} {
		ts.Check(os.Setenv(name, ts.Getenv(name)))
		defer os.Unsetenv(name)
	}
	before, err := os.Getwd()
	ts.Check(err)
	ts.Check(os.Chdir(ts.MkAbs(".")))
	defer os.Chdir(before)
	return Main(context.Background(), args, strings.NewReader(""), ts.Stdout(), ts.Stderr())
}

// TestEveryCommandHasAScript: a script, here or in host/testdata/script, or a
// console block of host/docs runs every command that has no commands below it.
func TestEveryCommandHasAScript(t *testing.T) {
	var scripts strings.Builder
	for _, pattern := range []string{"testdata/script/*.txtar", "../../testdata/script/*.txtar", "../../docs/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			scripts.Write(text)
		}
	}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
		if cmd.HasSubCommands() || cmd.Hidden {
			return
		}
		if !regexp.MustCompile(`(?m)\b` + cmd.CommandPath() + `( |$)`).MatchString(scripts.String()) {
			t.Errorf("no script runs %q: add one to testdata/script", cmd.CommandPath())
		}
	}
	visit(newRoot(newFlags()))
}
