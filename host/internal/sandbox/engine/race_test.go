//go:build race

package engine

const raceDetector = true // it keeps memory of its own
