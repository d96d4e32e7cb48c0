// Command gen writes the ABI's constants from sdk/abi/schema.toml: the Go
// package abi, the C header of sdk/c and the tables of sdk/ABI.md.
//
//	go run ./gen -sdk ..            # from sdk/abi, as go generate does
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	sdk := flag.String("sdk", "..", "the sdk folder")
	flag.Parse()
	if err := run(*sdk); err != nil {
		fmt.Fprintln(os.Stderr, "gen: error:", err)
		os.Exit(1)
	}
}

func run(sdk string) error {
	files, err := Generate(sdk)
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(sdk, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Generate returns the generated files by their path below the sdk folder.
func Generate(sdk string) (map[string][]byte, error) {
	s, err := load(filepath.Join(sdk, "abi", "schema.toml"))
	if err != nil {
		return nil, err
	}
	goSource, err := s.goSource()
	if err != nil {
		return nil, err
	}
	doc, err := os.ReadFile(filepath.Join(sdk, "ABI.md"))
	if err != nil {
		return nil, err
	}
	doc, err = s.fillTables(doc)
	if err != nil {
		return nil, fmt.Errorf("ABI.md: %w", err)
	}
	return map[string][]byte{
		"abi/abi.go":   goSource,
		"c/idlehost.h": s.cHeader(),
		"ABI.md":       doc,
	}, nil
}
