package policy_test

import (
	"os"
	"strings"
	"testing"
)

// The policy that README.md shows is the one that examples/hello-go builds.
func TestReadmeShowsHello(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../examples/hello-go/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(source), "package main\n")
	if code == "" || !strings.Contains(string(readme), "```go\npackage main\n"+code+"```\n") {
		t.Errorf("README.md does not show examples/hello-go/main.go as it is:\npackage main\n%s", code)
	}
}
