package logs

import (
	"bytes"
	"errors"
	"time"
)

var (
	errRange = errors.New("out of range")
	errTime  = errors.New("not a time")
	errZone  = errors.New("no time zone, and none is given")
)

// stamp returns a point of time in Unix nanoseconds: a number of seconds,
// milliseconds, microseconds or nanoseconds since 1970, told apart by how many
// there are, or a date as ISO 8601 or the Common Log Format have it. It is not
// time.Parse since that knows neither leap seconds nor a zone of hours alone.
func stamp(b []byte, zone *time.Location) (int64, error) {
	b = bytes.Trim(b, "[] ")
	switch {
	case len(b) > 11 && b[2] == '/':
		return common(b, zone)
	case len(b) > 18 && (b[4] == '-' || b[4] == '/') && b[7] == b[4]:
		return iso(b, zone)
	}
	whole, _, _ := bytes.Cut(b, []byte("."))
	unit := int64(1e9)
	switch n := len(whole); {
	case bytes.ContainsAny(b, "eE"): // 1.6e9: seconds
	case n > 17:
		unit = 1
	case n > 14:
		unit = 1e3
	case n > 11:
		unit = 1e6
	}
	ns, err := decimal(b, unit)
	if err != nil {
		return 0, errTime
	}
	return checked(ns, nil)
}

func checked(ns int64, err error) (int64, error) {
	if err == nil && (ns < 0 || ns > latest) {
		err = errRange
	}
	return ns, err
}

// common reads "10/Oct/2000:13:55:36 -0700".
func common(b []byte, zone *time.Location) (int64, error) {
	if len(b) < 20 || b[2] != '/' || b[6] != '/' || b[11] != ':' {
		return 0, errTime
	}
	d := date{day: digits(b[0:2]), month: month(b[3:6]), year: digits(b[7:11])}
	return d.at(b[12:], zone)
}

// iso reads "2000-10-10T13:55:36.123-07:00" and the like.
func iso(b []byte, zone *time.Location) (int64, error) {
	if b[10] != 'T' && b[10] != 't' && b[10] != ' ' {
		return 0, errTime
	}
	d := date{year: digits(b[0:4]), month: digits(b[5:7]), day: digits(b[8:10])}
	return d.at(b[11:], zone)
}

type date struct{ year, month, day int }

// at returns the time of the day that clock is: hh:mm:ss, a fraction and a zone.
func (d date) at(clock []byte, zone *time.Location) (int64, error) {
	if len(clock) < 8 || clock[2] != ':' || clock[5] != ':' {
		return 0, errTime
	}
	h, m, s := digits(clock[0:2]), digits(clock[3:5]), digits(clock[6:8])
	if !d.valid() || uint(h) > 23 || uint(m) > 59 || uint(s) > 60 {
		return 0, errTime
	}
	rest := clock[8:]
	ns, rest, err := fraction(rest)
	if err != nil {
		return 0, err
	}
	in := time.UTC
	east, err := offset(bytes.TrimSpace(rest))
	if err == errZone && zone != nil {
		in, err = zone, nil
	}
	if err != nil {
		return 0, err
	}
	t := time.Date(d.year, time.Month(d.month), d.day, h, m, s, 0, in)
	return checked((t.Unix()-east)*1e9+ns, nil)
}

// valid reports whether there is such a day, in years whose nanoseconds fit.
func (d date) valid() bool {
	if d.year < 1970 || d.year > 2116 || d.month < 1 || d.month > 12 || d.day < 1 {
		return false
	}
	return d.day <= 28 || d.day <= time.Date(d.year, time.Month(d.month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// fraction reads ".123" in nanoseconds, if there is one.
func fraction(b []byte) (ns int64, rest []byte, err error) {
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return 0, b, nil
	}
	n := 1
	for unit := int64(1e8); n < len(b) && b[n] >= '0' && b[n] <= '9'; n++ {
		ns += int64(b[n]-'0') * unit
		unit /= 10
	}
	if n == 1 {
		return 0, nil, errTime
	}
	return ns, b[n:], nil
}

// offset reads "Z", "+0100", "+01:00" or "+01": seconds east of Greenwich.
func offset(b []byte) (int64, error) {
	switch {
	case len(b) == 0:
		return 0, errZone
	case string(b) == "Z" || string(b) == "z" || string(b) == "UTC" || string(b) == "GMT":
		return 0, nil
	case b[0] != '+' && b[0] != '-':
		return 0, errTime
	}
	h, m := -1, 0
	switch len(b) {
	case 3:
		h = digits(b[1:3])
	case 5:
		h, m = digits(b[1:3]), digits(b[3:5])
	case 6:
		if b[3] == ':' {
			h, m = digits(b[1:3]), digits(b[4:6])
		}
	}
	if uint(h) > 15 || uint(m) > 59 {
		return 0, errTime
	}
	east := int64(h)*3600 + int64(m)*60
	if b[0] == '-' {
		east = -east
	}
	return east, nil
}

// digits returns a number, -1 for anything else.
func digits(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// month returns 1 for "Jan"; 0 for what is none.
func month(b []byte) int {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for i := 0; i < len(names); i += 3 {
		if string(b) == names[i:i+3] {
			return i/3 + 1
		}
	}
	return 0
}
