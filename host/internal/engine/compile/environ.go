//go:build !race

package compile

// environment is what a child needs beyond limits.environ.
var environment = [...]string{}
