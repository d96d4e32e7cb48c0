//go:build race

package child

// slower is how many times longer than elsewhere what the host does for a question
// may take: the race detector watches that, though not the guest.
const slower = 10
