package cli

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"idlehost/host/internal/sandbox/compile"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == compileApart {
		os.Exit(Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	time.Local = time.UTC // what is printed is compared
	testscript.Main(m, map[string]func(){
		"program": func() { os.Exit(Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

func TestHostCompilesApart(t *testing.T) {
	compiler, err := compile.New(t.Context(), compile.Config{Argv: []string{os.Args[0], compileApart}, Dir: t.TempDir() + "/code"})
	if err != nil {
		t.Fatal(err)
	}
	defer compiler.Close()
	if c := compiler.Capability(); c.Apart != (runtime.GOOS == "linux") {
		t.Error(c)
	}
}

func TestPeopleDoNotCompileApart(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Main(t.Context(), []string{compileApart}, strings.NewReader("\x00"), &out, &errs); code != ExitError || out.Len() > 0 {
		t.Errorf("exit code %d, %q", code, out.String())
	}
	if !strings.Contains(errs.String(), "host: error: ") {
		t.Errorf("%q", errs.String())
	}
	var help bytes.Buffer
	if Main(t.Context(), []string{"--help"}, nil, &help, &help); strings.Contains(help.String(), compileApart) {
		t.Error("help shows it")
	}
}
