package logs

import (
	"errors"
	"testing"
	"time"
)

func TestStamps(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	for _, c := range []struct {
		text string
		want string // RFC 3339; empty: err
		err  error
	}{
		{"10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z", nil},
		{"[10/Oct/2000:13:55:36 -0700]", "2000-10-10T20:55:36Z", nil},
		{"29/Feb/2016:23:59:60 +0000", "2016-03-01T00:00:00Z", nil},
		{"05/Mar/2016:00:00:00 +0530", "2016-03-04T18:30:00Z", nil},
		{"2013-11-17T06:31:00-05:00", "2013-11-17T11:31:00Z", nil},
		{"2013-11-17T06:31:00.25Z", "2013-11-17T06:31:00.25Z", nil},
		{"2013-11-17 06:31:00,123456789 +01", "2013-11-17T05:31:00.123456789Z", nil},
		{"2022/03/10 01:02:03.5 +0000", "2022-03-10T01:02:03.5Z", nil},
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", nil},
		{"2099-12-31T23:59:59Z", "2099-12-31T23:59:59Z", nil},
		{"1384687860", "2013-11-17T11:31:00Z", nil},
		{"1384687860.123", "2013-11-17T11:31:00.123Z", nil},
		{"1384687860123", "2013-11-17T11:31:00.123Z", nil},
		{"1384687860123456", "2013-11-17T11:31:00.123456Z", nil},
		{"1384687860123456789", "2013-11-17T11:31:00.123456789Z", nil},
		{"1.38468786e9", "2013-11-17T11:31:00Z", nil},

		{"10/Oct/2000:13:55:36", "", errZone},
		{"2013-11-17T06:31:00", "", errZone},
		{"2013-11-17T06:31:00 ", "", errZone},
		{"10/Okt/2000:13:55:36 -0700", "", errTime},
		{"31/Feb/2000:13:55:36 -0700", "", errTime},
		{"29/Feb/2015:13:55:36 -0700", "", errTime},
		{"10/Oct/2000:24:00:00 -0700", "", errTime},
		{"10/Oct/2000 13:55:36 -0700", "", errTime},
		{"2013-11-17T06:31:00.Z", "", errTime},
		{"2013-11-17T06:31:00 CET", "", errTime},
		{"2013-11-17T06:31:00+2500", "", errTime},
		{"2013-13-17T06:31:00Z", "", errTime},
		{"1969-12-31T23:59:59Z", "", errTime},
		{"1970-01-01T00:00:00+01:00", "", errRange},
		{"-5", "", errTime},
		{"", "", errTime},
		{"yesterday", "", errTime},
		{"99999999999999999999999", "", errTime},
	} {
		got, err := stamp([]byte(c.text), nil)
		if c.err != nil {
			if !errors.Is(err, c.err) {
				t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.err)
			}
			continue
		}
		if at := time.Unix(0, got).UTC().Format(time.RFC3339Nano); err != nil || at != c.want {
			t.Errorf("%q: %s, %v; want %s", c.text, at, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"10/Jul/2020:13:55:36":       "2020-07-10T11:55:36Z",
		"2020-01-10 13:55:36.5":      "2020-01-10T12:55:36.5Z",
		"10/Jul/2020:13:55:36 +0000": "2020-07-10T13:55:36Z",
	} {
		got, err := stamp([]byte(text), berlin)
		if at := time.Unix(0, got).UTC().Format(time.RFC3339Nano); err != nil || at != want {
			t.Errorf("%q in Berlin: %s, %v; want %s", text, at, err, want)
		}
	}
}

func FuzzStamp(f *testing.F) {
	for _, seed := range []string{"10/Oct/2000:13:55:36 -0700", "2013-11-17T06:31:00.25Z", "1384687860.123", "1e9", "2022/03/10 01:02:03 +00", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ns, err := stamp([]byte(text), time.UTC)
		if err != nil {
			return
		}
		if ns < 0 || ns > latest {
			t.Fatalf("%q is %d", text, ns)
		}
		for _, layout := range []string{time.RFC3339Nano, "02/Jan/2006:15:04:05 -0700"} {
			if want, err := time.Parse(layout, text); err == nil && want.UnixNano() != ns {
				t.Fatalf("%q is %v, want %v", text, time.Unix(0, ns).UTC(), want)
			}
		}
	})
}
