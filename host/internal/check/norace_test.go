//go:build !race

package check

const raceSlow = false
