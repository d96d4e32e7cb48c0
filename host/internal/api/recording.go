package api

import (
	"context"
	"io"
	"time"
)

// RecordingType is the media type of a recording; its format is that of package
// trace.
const RecordingType = "application/vnd.idlehost.trace"

// The states of a recording.
const (
	RecordingOff  = "off"  // there is none
	RecordingOn   = "on"   // it goes on
	RecordingOver = "over" // it has been stopped, has got as large as it may, or has failed
)

// Recording is what is written down of the lives of a tenant's connections.
type Recording struct {
	State string `json:"state"`
	// By is who has begun it: "configuration", or an actor.
	By    string    `json:"by,omitempty"`
	Begun time.Time `json:"begun,omitzero"`
	// Sample is which part of the clients is in it, over 0 and up to 1.
	Sample float64 `json:"sample,omitempty"`
	// MaxBytes bounds it.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// File is the name of its file on the host. That of the configuration is
	// not told, nor are its numbers, but for Dropped: it may be about others,
	// too.
	File    string `json:"file,omitempty"`
	Records uint64 `json:"records"`
	// Dropped is how many of the tenant's records came faster than they could
	// be written.
	Dropped uint64 `json:"dropped"`
	Bytes   int64  `json:"bytes"`
	// Error is why it is over, if nobody has stopped it.
	Error string `json:"error,omitempty"`
}

// NewRecording is what an operator asks for. Zero: as much as the configuration
// allows, which also bounds what is asked for.
type NewRecording struct {
	Sample   float64 `json:"sample,omitempty"`
	MaxBytes int64   `json:"max_bytes,omitempty"`
}

// RecordingFile is a recording that is being read. Who gets it closes it.
type RecordingFile struct {
	io.ReadCloser
	Name string
	Size int64 // of what has been written; more may follow
}

// Recordings is what the API does with recordings. What Service says of
// arguments and errors holds here too.
type Recordings interface {
	Recording(ctx context.Context, tenant string) (*Recording, error)
	// StartRecording begins one; KindConflict while there is one.
	StartRecording(ctx context.Context, who Actor, tenant string, n NewRecording) (*Recording, error)
	// StopRecording ends the one that was begun here; KindNotFound if none was.
	StopRecording(ctx context.Context, who Actor, tenant string) error
	// RecordingFile opens the last one that was begun here.
	RecordingFile(ctx context.Context, tenant string) (*RecordingFile, error)
}
