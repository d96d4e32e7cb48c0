package policy

import "unicode/utf8"

// Level is the severity of a log line.
type Level int32

// The levels.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// LogMax is how many bytes of a line the host takes.
const LogMax = 256

// logText cuts a line to LogMax bytes, at the start of a rune.
func logText(text string) string {
	if len(text) <= LogMax {
		return text
	}
	n := LogMax
	for n > LogMax-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
