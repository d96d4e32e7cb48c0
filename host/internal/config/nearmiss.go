package config

import (
	"strconv"
	"strings"
)

// nearest returns a hint that names the candidate most like s, or "".
func nearest(s string, candidates []string) string {
	best, found := 1+max(2, len(s)/3), ""
	for _, c := range candidates {
		d := distance(s, c)
		if c != "" && (strings.HasPrefix(s, c) || len(s) > 2 && strings.HasPrefix(c, s)) {
			d = 1 // "warning" means "warn", and "conn" "connections"
		}
		if d < best && d < len(c) {
			best, found = d, c
		}
	}
	if found == "" {
		return ""
	}
	return "did you mean " + strconv.Quote(found) + "?"
}

// distance is Levenshtein's, in bytes. Long strings are nothing like a key.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
