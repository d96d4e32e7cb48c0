//go:build race

package check

const raceSlow = true
