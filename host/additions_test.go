package main_test

import (
	"go/ast"
	"go/token"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"idlehost/sdk/abi"
)

// TestPhasesAreNamedEverywhere: the ABI's phases stand in places that no
// generator writes. Each place names all of them.
func TestPhasesAreNamedEverywhere(t *testing.T) {
	for _, place := range []struct {
		file, what string
		form       func(constant, name string) string
	}{
		{"sdk/go/policy.go", "a constant of the Go SDK", func(c, _ string) string { return c + " " }},
		{"host/internal/config/timeouts.go", "a timeout where no policy answers", func(c, _ string) string { return "abi." + c }},
		{"host/internal/cli/connscmd.go", "a completion of --phase", func(_, n string) string { return `"` + n + `"` }},
		{"host/docs/policies.md", "the list of phases", func(_, n string) string { return n }},
		{"plugins/fixed/fixed.c", "a parameter of the policy fixed", func(_, n string) string { return `"` + n + `"` }},
		{"plugins/fixed/README.md", "a parameter of the policy fixed", func(_, n string) string { return n }},
	} {
		text := read(t, place.file)
		for i, constant := range phases(t) {
			if form := place.form(constant, abi.Phase(i).String()); !strings.Contains(text, form) {
				t.Errorf("%s: no %q: it lacks %s for %s", place.file, form, place.what, constant)
			}
		}
	}
}

// phases returns the names of the constants of abi.Phase, in order.
func phases(t *testing.T) (list []string) {
	t.Helper()
	for _, p := range packages(t) {
		if p.path != module+"/sdk/abi" {
			continue
		}
		for _, f := range p.code() {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				v, ok := n.(*ast.ValueSpec)
				if !ok || len(v.Values) != 1 {
					return true
				}
				typ, ok := v.Type.(*ast.Ident)
				number, is := v.Values[0].(*ast.BasicLit)
				if ok && is && typ.Name == "Phase" && number.Kind == token.INT {
					if i, err := strconv.Atoi(number.Value); err != nil || i != len(list) {
						t.Fatalf("%s is phase %s, want %d", v.Names[0].Name, number.Value, len(list))
					}
					list = append(list, v.Names[0].Name)
				}
				return true
			})
		}
	}
	if len(list) < 10 {
		t.Fatalf("sdk/abi has %d constants of type Phase: look for them elsewhere", len(list))
	}
	return list
}

// TestEventIsFilled: the idle layer, the books or the tenant sets every field of
// an event before a policy sees it.
func TestEventIsFilled(t *testing.T) {
	var text strings.Builder
	for _, p := range packages(t) {
		if p.path == full("idle") || p.path == full("books") || p.path == full("tenant") {
			for _, f := range p.code() {
				text.WriteString(f.text)
			}
		}
	}
	for field := range reflect.TypeFor[abi.Event]().Fields() {
		if !regexp.MustCompile(`\b` + field.Name + `\b`).MatchString(text.String()) {
			t.Errorf("abi.Event.%s: neither idle nor books nor tenant sets it", field.Name)
		}
	}
}

// TestStoresAreHeldToTheInterface: every store passes storetest.
func TestStoresAreHeldToTheInterface(t *testing.T) {
	for _, p := range packages(t) {
		if path.Dir(p.path) != full("store") || p.path == full("store/storetest") {
			continue
		}
		if !slices.ContainsFunc(p.files, func(f *source) bool { return f.test() && slices.Contains(f.imports(), full("store/storetest")) }) {
			t.Errorf("package %s: no test calls storetest, which is what a store must pass", p.path)
		}
	}
}
