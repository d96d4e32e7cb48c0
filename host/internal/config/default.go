package config

import (
	"cmp"
	"time"
)

// DefaultAddress is listened on where neither file nor flags name an address.
const DefaultAddress = "127.0.0.1:8080"

// Default returns the configuration of a host that is told nothing, but for
// the listener, which Complete adds.
func Default() *Config {
	return &Config{
		Upstream: Upstream{DialTimeout: seconds(10)},
		Tenants:  Tenants{Default: "default", Unknown: "default", RestAfter: Duration(10 * time.Minute)},
		Store:    Store{MaxBytes: 16 << 30, TenantBytes: 512 << 20, ReserveBytes: 64 << 20},
		Timeouts: defaultTimeouts(),
		Limits:   Limits{Clients: 16384, ParkAfter: Duration(100 * time.Millisecond)},
		Admin:    Admin{Address: "127.0.0.1:9900", Open: true},
		Log:      Log{Format: "text", Level: "info", Rate: 50, Burst: 200},
		Drain:    Drain{Timeout: seconds(30)},
		Record:   Record{Sample: 1, MaxSize: 1 << 30},
		origins:  map[string]string{},
	}
}

func defaultTimeouts() Timeouts {
	return Timeouts{
		Handshake:    seconds(10),
		Header:       seconds(30),
		HeaderIdle:   seconds(10),
		Body:         seconds(60),
		BodyMinRate:  240,
		BodyGrace:    seconds(30),
		Upstream:     seconds(60),
		Response:     seconds(300),
		Write:        seconds(60),
		WriteMinRate: 240,
		WriteGrace:   seconds(30),
		Idle:         seconds(75),
		StreamIdle:   seconds(180),
		UpstreamIdle: seconds(75),
		Tunnel:       Duration(time.Hour),
		HalfClosed:   seconds(60),
		Draining:     seconds(10),
		Floor:        Duration(100 * time.Millisecond),
		Ceiling:      Duration(24 * time.Hour),
		Worth:        seconds(120),
		LateWindow:   seconds(1),
	}
}

func seconds(n int) Duration { return Duration(time.Duration(n) * time.Second) }

// Complete fills in what follows from the rest: the default listener, names,
// protocols and tenants of listeners.
func (c *Config) Complete() {
	if len(c.Listeners) == 0 {
		c.Listeners = []Listener{{Address: DefaultAddress}}
	}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		l.Name = cmp.Or(l.Name, l.Address)
		l.Protocol = cmp.Or(l.Protocol, "http")
		l.TenantBy = c.tenantBy(*l)
		if l.TenantBy == "listener" {
			l.Tenant = cmp.Or(l.Tenant, c.Tenants.Default)
		}
	}
}
