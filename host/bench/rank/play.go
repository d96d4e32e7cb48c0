package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"idlehost/host/internal/lab/study"
	"idlehost/plugins"
)

// worths are the prices, in seconds of holding, that policies are tried at.
var worths = []int64{30, 120, 600}

// variants stand beside the bundled policies as they come.
var variants = []string{"skirental:mode=random"}

// play runs every bundled policy over the recordings of a folder: the tables of
// requests, without those of durations.
func play(ctx context.Context, host, folder string) ([]result, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.tsv.gz"))
	if err != nil {
		return nil, err
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Contains(p, ".durations.") })
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no recordings", folder)
	}
	var all []result
	for _, path := range paths {
		for _, worth := range worths {
			s, err := replay(ctx, host, path, worth)
			if err != nil {
				return nil, fmt.Errorf("%s at %d s: %w", filepath.Base(path), worth, err)
			}
			all = append(all, results(s, strings.TrimSuffix(filepath.Base(path), ".tsv.gz"), worth)...)
		}
	}
	return all, nil
}

func replay(ctx context.Context, host, path string, worth int64) (*study.Study, error) {
	args := []string{"replay", "--json", "--quiet", "--trace", path, "--worth", fmt.Sprintf("%ds", worth)}
	for _, name := range slices.Concat(plugins.Names(), variants) {
		args = append(args, "--policy", name)
	}
	cmd := exec.CommandContext(ctx, host, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	s := new(study.Study)
	return s, json.Unmarshal(out, s)
}

// results are a study's in short; the clairvoyant is among the policies.
func results(s *study.Study, trace string, worth int64) []result {
	best := s.Bounds.BestFixed
	of := func(policy string, cost, premature, asks, fuel int64) result {
		return result{policy, trace, worth, cost, best.CostMs, best.TimeoutMs, premature, asks, fuel}
	}
	all := []result{of(clairvoyant, s.Bounds.Clairvoyant.CostMs, s.Bounds.Clairvoyant.Premature, 0, 0)}
	for _, p := range s.Policies {
		if t := p.Total; p.Source == "replay" && slices.Contains(slices.Concat(plugins.Names(), variants), p.Name) {
			all = append(all, of(p.Name, t.CostMs, t.Premature, t.Asks, t.Fuel))
		}
	}
	return all
}
