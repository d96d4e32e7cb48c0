//go:build !race

package forge

// environment is what a child needs beyond limits.environ.
var environment = [...]string{}
