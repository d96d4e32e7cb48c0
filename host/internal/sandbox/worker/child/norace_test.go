//go:build !race

package child

const raceSlow = false
