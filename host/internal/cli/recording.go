package cli

import (
	"errors"
	"fmt"

	"idlehost/host/internal/lab"
	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/logs"
)

// importedLog is a log that is read as a recording, with what there is to say of it.
type importedLog struct{ *logs.Source }

// Notes are for who reads the numbers.
func (l importedLog) Notes() []string {
	s := l.Stats()
	return s.Notes()
}

// openRecording opens a recording, or what can be read as one.
func openRecording(path string) (lab.Recording, error) {
	f, err := trace.Open(path)
	if err == nil {
		return f, nil
	}
	if !errors.Is(err, trace.ErrFormat) {
		return nil, err
	}
	log, err := logs.Open(path, logs.Config{})
	if err != nil {
		if errors.Is(err, logs.ErrFormat) {
			err = fmt.Errorf("%w, nor like a recording", err)
		}
		return nil, fmt.Errorf("trace: %w", err)
	}
	return importedLog{log}, nil
}
