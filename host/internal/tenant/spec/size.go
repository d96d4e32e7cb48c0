package spec

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as text: "512MB", "1GB", "65536".
type Size int64

var units = []struct {
	name  string
	bytes Size
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

// String is the shortest text that parses to the same size.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a whole number and a unit, KB, MB, GB or TB, each 1,024
// of the one before, also as KiB and so on.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := strings.TrimSpace(string(text)), Size(1)
	for _, u := range units {
		for _, name := range []string{u.name, strings.Replace(u.name, "B", "iB", 1)} {
			if rest, ok := strings.CutSuffix(number, name); ok && unit == 1 {
				number, unit = strings.TrimSpace(rest), u.bytes
			}
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > int64(1<<62/unit) {
		return fmt.Errorf("%q is not a size", text)
	}
	*s = Size(n) * unit
	return nil
}

// MarshalJSON writes the number of bytes, as the API has it.
func (s Size) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(s), 10), nil }

// UnmarshalJSON reads a number of bytes.
func (s *Size) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, (*int64)(s)) }
