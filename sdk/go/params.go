package policy

import (
	"errors"
	"strconv"
	"strings"
)

// parseParams reads the "key=value\n" lines in which the host hands over
// parameters. A value may hold anything but a line end.
func parseParams(text string) (map[string]string, error) {
	params := make(map[string]string)
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		key, value, ok := strings.Cut(line, "=")
		if !ok || key == "" {
			return nil, errors.New("parameters, line " + strconv.Itoa(n) + ": " + strconv.Quote(line) + " is not key=value")
		}
		if _, twice := params[key]; twice {
			return nil, errors.New("parameter " + strconv.Quote(key) + " is given twice")
		}
		params[key] = value
	}
	return params, nil
}
