package config

import "idlehost/host/internal/tenant/spec"

// Duration is written as text: "1h30m", "250ms", "0".
type Duration = spec.Duration

// Size is a number of bytes, written as text: "512MB", "1GB", "65536".
type Size = spec.Size
