package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// nb keeps a number and its unit on one line. A terminal gets a space.
const nb = "\u00a0"

// duration writes milliseconds with three digits at most, in the unit that a
// person would use. assets/words.js does the same.
func duration(ms float64) string {
	switch abs := math.Abs(ms); {
	case abs < 1000:
		return digits(ms) + nb + "ms"
	case abs < 120e3:
		return digits(ms/1e3) + nb + "s"
	case abs < 120*60e3:
		return digits(ms/60e3) + nb + "min"
	case abs < 48*3600e3:
		return digits(ms/3600e3) + nb + "h"
	case abs < 730*86400e3:
		return digits(ms/86400e3) + nb + "d"
	}
	return number(ms/(365.25*86400e3)) + nb + "years"
}

// timeout names a fixed timeout; below zero it is none.
func timeout(ms int64) string {
	if ms < 0 {
		return "never"
	}
	return duration(float64(ms))
}

// digits writes a number with three digits where it has a fraction.
func digits(x float64) string {
	places := 2
	switch abs := math.Abs(x); {
	case abs >= 99.95:
		places = 0
	case abs >= 9.995:
		places = 1
	}
	s := strconv.FormatFloat(x, 'f', places, 64)
	if places > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// number writes a count: with separators as long as it can be taken in, then in
// millions and more.
func number(x float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}} {
		if math.Abs(x) >= unit.size*0.9995 {
			return digits(x/unit.size) + nb + unit.name
		}
	}
	if math.Abs(x) < 999.5 {
		return digits(x)
	}
	whole := strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
	sign := ""
	if x < 0 {
		sign = "-"
	}
	return fmt.Sprintf("%s%s,%s", sign, whole[:len(whole)-3], whole[len(whole)-3:])
}

// percent writes a part of a whole.
func percent(part float64) string {
	if x := 100 * part; math.Abs(x) < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") + nb + "%"
	}
	return strconv.FormatFloat(100*part, 'f', 0, 64) + nb + "%"
}

// part is x of y, 0 of nothing.
func part(x, y int64) float64 {
	if y == 0 {
		return 0
	}
	return float64(x) / float64(y)
}

// printable makes a name harmless for a terminal: one line, no control and no
// change of direction.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '�'
	}, s)
}
