package tune

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// logFrom is how far apart the ends of a range are, as a factor, that is
// searched on a logarithmic scale.
const logFrom = 20

// mostSteps is how finely a linear range is divided.
const mostSteps = 250

// mantissas divide a decade into 48 parts, 5 % apart: the E48 series of
// IEC 60063. Numbers that people can read, and the same on every machine.
var mantissas = [...]int64{
	100, 105, 110, 115, 121, 127, 133, 140, 147, 154, 162, 169, 178, 187, 196, 205,
	215, 226, 237, 249, 261, 274, 287, 301, 316, 332, 348, 365, 383, 402, 422, 442,
	464, 487, 511, 536, 562, 590, 619, 649, 681, 715, 750, 787, 825, 866, 909, 953,
}

// linear divides a range into steps of 1, 2 or 5 times a power of ten.
func linear(low, high int64) []int64 {
	step := int64(1)
	for i := 0; (high-low)/step > mostSteps; i++ {
		if i%3 == 1 {
			step = step / 2 * 5
		} else {
			step *= 2
		}
	}
	steps := []int64{low}
	for n := low - (low%step+step)%step + step; n < high; n += step {
		steps = append(steps, n)
	}
	return append(steps, high)
}

// logarithmic divides a range above 0 by the mantissas.
func logarithmic(low, high int64) []int64 {
	steps := []int64{low}
	for decade := int64(1); ; decade *= 10 {
		for _, m := range mantissas {
			n := (m*decade + 50) / 100
			if decade > math.MaxInt64/10000 || n >= high {
				return append(steps, high)
			}
			if n > steps[len(steps)-1] {
				steps = append(steps, n)
			}
		}
	}
}

// unit is what the numbers of a range count.
type unit struct {
	duration bool // milliseconds
	decimals int  // else: so many are behind the point
}

// maxNumber bounds the numbers of a range, in their unit: what is done with
// them does not overflow.
const maxNumber = int64(1e12)

// unitOf finds the unit that two ends are written in.
func unitOf(low, high string) (unit, error) {
	a, b := timed(low), timed(high)
	switch {
	case a && (b || high == "0"), b && low == "0":
		return unit{duration: true}, nil
	case a != b:
		return unit{}, fmt.Errorf("%q..%q: one end has a unit, the other has none", low, high)
	}
	_, x, pointed := strings.Cut(low, ".")
	_, y, also := strings.Cut(high, ".")
	if !pointed && !also {
		return unit{}, nil
	}
	const least, most = 3, 9
	if n := max(len(x), len(y)); n > most {
		return unit{}, fmt.Errorf("%q..%q: more than %d decimals", low, high, most)
	}
	return unit{decimals: max(least, len(x), len(y))}, nil
}

func timed(text string) bool {
	return text != "" && text[len(text)-1] >= 'a' && text[len(text)-1] <= 'z'
}

// factors are the milliseconds of each unit of time, the longest first, by
// which format takes what divides.
var factors = [...]struct {
	suffix string
	ms     int64
}{{"h", 3_600_000}, {"m", 60_000}, {"s", 1000}, {"ms", 1}}

func (u unit) parse(text string) (int64, error) {
	if !u.duration {
		return u.number(text)
	}
	if text == "0" {
		return 0, nil
	}
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	for _, f := range factors {
		if text[len(number):] != f.suffix {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || int64(n) > maxNumber/f.ms {
			break
		}
		return int64(n) * f.ms, nil
	}
	return 0, fmt.Errorf("%q: want a duration such as 500ms, 30s, 5m or 1h", text)
}

// number reads a decimal number, exactly.
func (u unit) number(text string) (int64, error) {
	whole, fraction, pointed := strings.Cut(text, ".")
	digits := whole + fraction + strings.Repeat("0", max(u.decimals-len(fraction), 0))
	n, err := strconv.ParseInt(digits, 10, 64)
	bare := strings.TrimPrefix(whole, "-")
	if err != nil || n > maxNumber || n < -maxNumber || bare == "" || bare[0] == '+' ||
		pointed && (fraction == "" || strings.Trim(fraction, "0123456789") != "") {
		return 0, fmt.Errorf("%q: want a number such as 0.25 or 50", text)
	}
	return n, nil
}

// format writes a number of the unit as a policy takes it.
func (u unit) format(n int64) string {
	if u.duration {
		for _, f := range factors {
			if n != 0 && n%f.ms == 0 {
				return strconv.FormatInt(n/f.ms, 10) + f.suffix
			}
		}
		return "0ms"
	}
	if u.decimals == 0 {
		return strconv.FormatInt(n, 10)
	}
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	digits := fmt.Sprintf("%0*d", u.decimals+1, n)
	point := len(digits) - u.decimals
	return strings.TrimSuffix(strings.TrimRight(sign+digits[:point]+"."+digits[point:], "0"), ".")
}
