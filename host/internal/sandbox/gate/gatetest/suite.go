// Package gatetest holds what the tests of gate and meter share: the
// specification's test suite, a generator of modules, and guests. Only tests
// import it.
package gatetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Script is one script of the WebAssembly specification's test suite, as
// wast2json turns it into JSON.
type Script struct {
	Name     string
	Commands []Command `json:"commands"`
}

// Command is one step of a script.
type Command struct {
	Type       string `json:"type"`
	Line       int    `json:"line"`
	Name       string `json:"name"`
	Filename   string `json:"filename"` // absolute, or ""
	As         string `json:"as"`
	ModuleType string `json:"module_type"`
	Text       string `json:"text"`
	Action     struct {
		Type   string  `json:"type"`
		Field  string  `json:"field"`
		Module string  `json:"module"`
		Args   []Value `json:"args"`
	} `json:"action"`
}

// Value is an argument of an invocation.
type Value struct {
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// Valid says that the command's module is valid, if it has one.
func (c *Command) Valid() bool {
	return c.Type == "module" || c.Type == "assert_unlinkable" || c.Type == "assert_uninstantiable"
}

// Invalid says that the command's module is not.
func (c *Command) Invalid() bool { return c.Type == "assert_invalid" || c.Type == "assert_malformed" }

// Binary says that the command's module is there in binary form.
func (c *Command) Binary() bool { return c.Filename != "" && c.ModuleType != "text" }

// Bits returns the value as wazero takes it.
func (v Value) Bits() (uint64, error) {
	text, _ := v.Value.(string)
	if text == "" || text == "null" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if v.Type == "externref" {
		n++ // 0 is null
	}
	return n, err
}

func suiteDir() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		return "", fmt.Errorf("module cache: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "internal", "integration_test", "spectest"), nil
}

// Suite returns the suite of a version, v1 or v2, which comes with wazero's
// sources.
func Suite(version string) ([]Script, error) {
	dir, err := suiteDir()
	if err != nil {
		return nil, err
	}
	files, _ := filepath.Glob(filepath.Join(dir, version, "testdata", "*.json"))
	if len(files) == 0 {
		return nil, errors.New("the suite is not in the module cache")
	}
	scripts := make([]Script, len(files))
	for i, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s := &scripts[i]
		s.Name = strings.TrimSuffix(filepath.Base(file), ".json")
		if err := json.Unmarshal(raw, s); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for j := range s.Commands {
			if c := &s.Commands[j]; c.Filename != "" {
				c.Filename = filepath.Join(filepath.Dir(file), c.Filename)
			}
		}
	}
	return scripts, nil
}

// Host returns the module that the suite's modules import from, "spectest".
func Host() ([]byte, error) {
	dir, err := suiteDir()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
}
