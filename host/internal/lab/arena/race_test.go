//go:build race

package arena_test

// raced says that all takes ten times as long: one trace is played.
const raced = true
