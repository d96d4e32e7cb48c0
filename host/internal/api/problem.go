package api

import (
	"encoding/json"
	"fmt"
	"time"
)

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// Problem is an error as RFC 9457 has it. It is what every failed request
// answers, and what a Service returns for what the caller did wrong; any other
// error of a Service is the host's own fault.
type Problem struct {
	// Type names the kind: "urn:idlehost:problem:" and one of the kinds below.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Instance names the request.
	Instance string `json:"instance,omitempty"`
	// Cause is the fault of a policy that was refused (policy.Fault's names).
	Cause string `json:"cause,omitempty"`
	// Report is the check's, of an upload that was refused.
	Report json.RawMessage `json:"report,omitempty"`
	// Field is the part of the request that is wrong, as a path: "spec.hosts[1]".
	Field string `json:"field,omitempty"`
	// Used, Limit and Asked are bytes, of insufficient-storage: on the disk,
	// allowed there, and to be added. Free bytes are left on the disk, of which
	// Reserve are kept for small records; both only where the disk is the limit.
	Used    int64 `json:"used,omitempty"`
	Limit   int64 `json:"limit,omitempty"`
	Asked   int64 `json:"asked,omitempty"`
	Free    int64 `json:"free,omitempty"`
	Reserve int64 `json:"reserve,omitempty"`
	// RetryAfter is sent as a header too.
	RetryAfter time.Duration `json:"-"`
}

// TypePrefix begins Problem.Type.
const TypePrefix = "urn:idlehost:problem:"

// The kinds of problems.
const (
	KindUnauthorized     = "unauthorized"           // 401
	KindForbidden        = "forbidden"              // 403
	KindNotFound         = "not-found"              // 404
	KindMethod           = "method-not-allowed"     // 405
	KindTimeout          = "timeout"                // 408: the request came too slowly
	KindConflict         = "conflict"               // 409: the state does not allow it
	KindDeclared         = "declared"               // 409: the configuration file has it
	KindPrecondition     = "precondition-failed"    // 412: changed meanwhile
	KindTooLarge         = "too-large"              // 413
	KindMediaType        = "unsupported-media-type" // 415
	KindMisdirected      = "misdirected"            // 421: meant for another host
	KindInvalid          = "invalid"                // 422: the request makes no sense
	KindRefused          = "policy-refused"         // 422: Cause and Report say why
	KindSignature        = "signature"              // 422: missing or wrong
	KindPreconditionNeed = "precondition-required"  // 428: say If-Match or If-None-Match
	KindRate             = "rate"                   // 429: RetryAfter
	KindInternal         = "internal"               // 500
	KindNoStore          = "no-store"               // 501: the host runs without a store
	KindBusy             = "busy"                   // 503: RetryAfter
	KindStorage          = "insufficient-storage"   // 507: Used, Limit, Asked, or Free and Reserve
)

var kinds = map[string]struct {
	status int
	title  string
}{
	KindUnauthorized: {401, "authentication is needed"}, KindForbidden: {403, "not allowed"},
	KindNotFound: {404, "there is no such thing"}, KindMethod: {405, "method not allowed"},
	KindTimeout: {408, "the request came too slowly"}, KindMisdirected: {421, "meant for another host"},
	KindConflict: {409, "the present state does not allow it"}, KindDeclared: {409, "declared in the configuration file"},
	KindPrecondition: {412, "it has changed meanwhile"}, KindTooLarge: {413, "too large"},
	KindMediaType: {415, "unsupported media type"}, KindInvalid: {422, "the request makes no sense"},
	KindRefused: {422, "policy refused"}, KindSignature: {422, "signature missing or wrong"},
	KindPreconditionNeed: {428, "a precondition is needed"}, KindRate: {429, "too much in too short a time"},
	KindInternal: {500, "internal error"}, KindNoStore: {501, "this host has no store"}, KindBusy: {503, "busy"},
	KindStorage: {507, "no room on the host's disk"},
}

// NewProblem returns a problem of one of the kinds.
func NewProblem(kind, format string, args ...any) *Problem {
	k, ok := kinds[kind]
	if !ok {
		panic("BUG: no problem is called " + kind)
	}
	return &Problem{Type: TypePrefix + kind, Title: k.title, Status: k.status, Detail: fmt.Sprintf(format, args...)}
}

// TryAgain reports whether the same request may be answered otherwise a while
// later.
func (p *Problem) TryAgain() bool { return p.Status == 429 || p.Status == 503 }

// Error returns one line.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}
