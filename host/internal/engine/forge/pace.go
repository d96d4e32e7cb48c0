//go:build !race

package forge

// pace widens the standard time limits of programs that are slowed down.
const pace = 1

// environment is what a child needs beyond Config.environ.
var environment = [...]string{}
