package logs

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"time"
)

var errNumber = errors.New("not a number")

// decimal returns a number of units, with as much of its fraction as matters,
// in nanoseconds.
func decimal(b []byte, unit int64) (int64, error) {
	whole, fraction, _ := bytes.Cut(b, []byte("."))
	n, err := natural(whole)
	if err != nil {
		if bytes.ContainsAny(b, "eE") {
			return exponent(b, unit)
		}
		return 0, err
	}
	if n > math.MaxInt64/2/uint64(unit) {
		return 0, errRange
	}
	ns, tenth := int64(n)*unit, unit
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return exponent(b, unit)
		}
		tenth /= 10
		ns += int64(c-'0') * tenth
	}
	return ns, nil
}

// exponent is decimal for what JSON writes very small or large numbers as.
func exponent(b []byte, unit int64) (int64, error) {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return 0, errNumber
	}
	f *= float64(unit)
	if f < 0 || f > latest {
		return 0, errRange
	}
	return int64(f), nil
}

// natural returns a number of at most 19 digits.
func natural(b []byte) (n uint64, err error) {
	if len(b) <= 19 {
		n, err = strconv.ParseUint(string(b), 10, 64)
	}
	if err != nil || len(b) > 19 {
		return 0, errNumber
	}
	return n, nil
}

// octets returns a number of bytes; "-" and nothing are 0.
func octets(b []byte) (uint64, error) {
	if len(b) == 0 || len(b) == 1 && b[0] == '-' {
		return 0, nil
	}
	n, err := natural(b)
	// The sum of 2^23 requests of 2^40 bytes is still a number.
	if err == nil && n > 1<<40 {
		err = errRange
	}
	return n, err
}

// length returns a duration in nanoseconds, with a unit of its own ("1.5ms") or
// in the unit given; 0 where it is not known.
func length(b []byte, unit int64) (int64, error) {
	if len(b) == 0 || len(b) == 1 && b[0] == '-' || string(b) == "null" {
		return 0, nil
	}
	var ns int64
	var err error
	if last := b[len(b)-1]; last == 's' || last == 'm' || last == 'h' {
		var d time.Duration
		d, err = time.ParseDuration(string(b))
		ns = int64(d)
	} else if unit == 0 {
		return 0, nil
	} else {
		ns, err = decimal(b, unit)
	}
	if err == nil && (ns < 0 || ns > longest) {
		err = errRange
	}
	return ns, err
}
