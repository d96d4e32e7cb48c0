//go:build race

package meter

const raced = true
