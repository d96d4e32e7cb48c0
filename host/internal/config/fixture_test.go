package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/BurntSushi/toml"
)

// TestFixtures reads configurations in which every version so far has set every
// key that it knew. A later version reads each value as it stands there, or
// fails and says what to write instead; adding keys needs a file of the next
// number, with those set too.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/full-*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse("full.toml", text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var printed bytes.Buffer
		if err := c.Print(&printed); err != nil {
			t.Fatal(err)
		}
		var want, got map[string]any
		if _, err := toml.Decode(string(text), &want); err != nil {
			t.Fatal(err)
		}
		if _, err := toml.Decode(printed.String(), &got); err != nil {
			t.Fatal(err)
		}
		if at := lost(got, want, ""); at != "" {
			t.Errorf("%s: %s is not what was written", name, at)
		}
	}
}

// lost returns the key of a value of want that got does not have, or "".
func lost(got, want any, at string) string {
	switch want := want.(type) {
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok {
			return at
		}
		for k, v := range want {
			if where := lost(have[k], v, join(at, k)); where != "" {
				return where
			}
		}
		return ""
	case []map[string]any:
		have, ok := got.([]map[string]any)
		if !ok || len(have) != len(want) {
			return at
		}
		for i, v := range want {
			if where := lost(have[i], v, fmt.Sprintf("%s[%d]", at, i)); where != "" {
				return where
			}
		}
		return ""
	}
	if !reflect.DeepEqual(got, want) {
		return at
	}
	return ""
}

// TestFixturesSetEveryKey: the newest fixture leaves no key at its default.
func TestFixturesSetEveryKey(t *testing.T) {
	files, err := filepath.Glob("testdata/full-*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	set := map[string]bool{}
	for _, name := range files {
		var tree map[string]any
		if _, err := toml.DecodeFile(name, &tree); err != nil {
			t.Fatal(err)
		}
		keysOf(tree, "", set)
	}
	known := map[string]bool{}
	keysOfType(reflect.TypeFor[Config](), "", known)
	for key := range known {
		if !set[key] {
			t.Errorf("no fixture sets %s", key)
		}
	}
}

func keysOf(v any, at string, set map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			keysOf(item, join(at, k), set)
		}
	case []map[string]any:
		for _, item := range v {
			keysOf(item, at, set)
		}
	default:
		set[at] = true
	}
}

func keysOfType(of reflect.Type, at string, known map[string]bool) {
	for i := range of.NumField() {
		f := of.Field(i)
		key, _, _ := bytes.Cut([]byte(f.Tag.Get("toml")), []byte(","))
		if len(key) == 0 || string(key) == "-" {
			continue
		}
		in := f.Type
		if in.Kind() == reflect.Slice {
			in = in.Elem()
		}
		switch {
		case in.Kind() == reflect.Struct:
			keysOfType(in, join(at, string(key)), known)
		case in.Kind() == reflect.Map: // whatever keys a policy has
		default:
			known[join(at, string(key))] = true
		}
	}
}
