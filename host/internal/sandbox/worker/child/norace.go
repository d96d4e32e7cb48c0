//go:build !race

package child

const slower = 1
