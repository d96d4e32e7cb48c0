package hostile

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	w "idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// Disguise returns a module whose hooks behave until a moment, so that the
// check of an upload, which asks about events of the past, finds nothing. From
// then on those of the given kinds are wasm's own, and are asked as often as
// the host asks anybody: leases are as short as the operator allows. An answer
// that is not a plain extension is the attack, and is passed on. Where a timeout
// is to be the attack, and wasm's own is none, its accept hook is called then.
//
// ok is false if wasm is not a module that can be changed so; what is wrong
// with it is then found in any case.
func Disguise(wasm []byte, from time.Time, kinds ...abi.Kind) (out []byte, ok bool) {
	m, ok := parse(wasm)
	if !ok {
		return nil, false
	}
	buffer, ok := m.exported("event_buffer")
	if !ok {
		return nil, false
	}
	armed := func(kind abi.Kind, then []byte) []byte { // (if (i64.ge_u now from) (then ...))
		if !slices.Contains(kinds, kind) {
			return nil
		}
		return w.Code(w.Call(buffer), op(0xa7, 0x29, 0), u(abi.EventNowMsOffset),
			w.Const64(from.UnixMilli()), op(0x5a), w.If(then))
	}
	accept, accepts := m.exported("on_accept")
	timeout, times := m.exported("on_timeout")
	if !accepts || !times {
		return nil, false
	}
	if m.plain(timeout) {
		timeout = accept
	}
	often := w.Const64(int64(abi.Verdict(abi.ActionExtend, 1, 0, 0)))
	m.replace("on_accept", []byte{w.I64}, []byte{w.I64}, armed(abi.KindAccept, passOn(accept)), shortLeases(buffer))
	m.replace("on_timeout", []byte{w.I64}, []byte{w.I64}, armed(abi.KindTimeout, passOn(timeout)), often)
	if end, ok := m.exported("on_close"); ok {
		m.replace("on_close", nil, nil, armed(abi.KindClose, w.Call(end)))
	}
	return m.bytes(wasm), true
}

// passOn calls a hook, and returns its answer unless that is Extend60s.
func passOn(own uint32) []byte {
	return w.Code(w.Call(own), op(0x22, 0), w.Const64(w.Extend60s), op(0x52),
		w.If(w.Code(w.LocalGet(0), op(0x0f))))
}

// shortLeases sets the leases of a connection that waits for a request, where
// the buffer has any, and pushes the verdict that says so.
//
//	(if (i64.ge_u (i64.shr_u (event_buffer) 32) 312) (then (i32.store leases[p] 1)... (return ...)))
func shortLeases(buffer uint32) []byte {
	var set []byte
	for _, p := range []abi.Phase{abi.PhaseIdle, abi.PhaseStreamIdle} {
		set = append(set, w.Code(w.Call(buffer), op(0xa7), w.Const32(1),
			op(0x36, 2), u(abi.EventLeasesOffset+4*uint64(p)))...)
	}
	const whole = abi.EventLeasesOffset + 4*abi.Phases
	verdict := w.Const64(int64(abi.Verdict(abi.ActionDefault, 0, abi.FlagLeases, 0)))
	return w.Code(w.Call(buffer), w.Const64(32), op(0x88), w.Const64(int64(whole)), op(0x5a),
		w.If(w.Code(set, verdict, op(0x0f))), w.Const64(0))
}

// parsed is a module of which the parts are read that functions are added to.
type parsed struct {
	types, funcs, code part
	imported           uint32 // functions
	exports            []export
}

// part is a section that is a list.
type part struct {
	count uint64
	items []byte
}

func (p *part) add(item []byte) {
	p.count++
	p.items = append(p.items, item...)
}

func (p *part) bytes() []byte { return slices.Concat(u(p.count), p.items) }

type export struct {
	name  string
	kind  byte
	index uint64
}

// parse reads what it must, and checks no more than that.
func parse(wasm []byte) (m *parsed, ok bool) {
	if len(wasm) < 8 {
		return nil, false
	}
	m = &parsed{}
	r := &input{rest: wasm[8:]}
	for len(r.rest) > 0 && !r.bad {
		id := r.byte()
		body := input{rest: r.take(r.number())}
		switch id {
		case secType:
			m.types = body.part()
		case secFunction:
			m.funcs = body.part()
		case secCode:
			m.code = body.part()
		case secImport:
			m.imported = body.imports()
		case secExport:
			m.exports = body.exports()
		}
		r.bad = r.bad || body.bad
	}
	return m, !r.bad && m.funcs.count == m.code.count
}

func (m *parsed) exported(name string) (index uint32, ok bool) {
	for _, e := range m.exports {
		if e.name == name && e.kind == 0 {
			return uint32(e.index), true
		}
	}
	return 0, false
}

// plain reports whether a function returns Extend60s and does nothing else.
func (m *parsed) plain(index uint32) bool {
	r := input{rest: m.code.items}
	for n := m.imported; n < index; n++ {
		r.take(r.number())
	}
	body := r.take(r.number())
	return bytes.HasSuffix(body, w.Code(w.Const64(w.Extend60s), op(endOp))) && len(body) <= 3+len(w.Const64(w.Extend60s))+1
}

// replace exports a new function in the place of another, which stays exported
// by another name: code may take references to it.
func (m *parsed) replace(name string, results, locals []byte, code ...[]byte) {
	for i := range m.exports {
		if e := &m.exports[i]; e.name == name && e.kind == 0 {
			m.exports = append(m.exports, export{"own_" + name, 0, e.index})
			m.exports[i].index = uint64(m.imported) + m.funcs.count
		}
	}
	m.funcs.add(u(m.types.count))
	m.types.add(slices.Concat(op(0x60, 0), str(results)))
	body := u(uint64(len(locals)))
	for _, l := range locals {
		body = append(body, 1, l)
	}
	m.code.add(str(slices.Concat(body, slices.Concat(code...), op(endOp))))
}

// bytes returns wasm with the parts in the place of its own.
func (m *parsed) bytes(wasm []byte) []byte {
	out := slices.Clone(wasm[:8])
	for r := (&input{rest: wasm[8:]}); len(r.rest) > 0; {
		id := r.byte()
		body := r.take(r.number())
		switch id {
		case secType:
			body = m.types.bytes()
		case secFunction:
			body = m.funcs.bytes()
		case secCode:
			body = m.code.bytes()
		case secExport:
			body = u(uint64(len(m.exports)))
			for _, e := range m.exports {
				body = slices.Concat(body, str(e.name), op(e.kind), u(e.index))
			}
		}
		out = append(out, section(id, body)...)
	}
	return out
}

// input reads numbers and names; bad: they did not make sense.
type input struct {
	rest []byte
	bad  bool
}

func (r *input) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.bad, n = true, uint64(len(r.rest))
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *input) byte() byte {
	b := r.take(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *input) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.bad = r.bad || n <= 0
	r.take(uint64(max(n, 0)))
	return v
}

func (r *input) name() string { return string(r.take(r.number())) }

func (r *input) part() part { return part{count: r.number(), items: slices.Clone(r.rest)} }

// imports counts the functions among the imports.
func (r *input) imports() (functions uint32) {
	for n := r.number(); n > 0 && !r.bad; n-- {
		r.name()
		r.name()
		switch r.byte() {
		case 0:
			functions++
			r.number()
		case 1:
			r.byte()
			r.limits()
		case 2:
			r.limits()
		case 3:
			r.take(2)
		default:
			r.bad = true
		}
	}
	return functions
}

func (r *input) limits() {
	if r.byte() == 1 {
		r.number()
	}
	r.number()
}

func (r *input) exports() (list []export) {
	for n := r.number(); n > 0 && !r.bad; n-- {
		list = append(list, export{r.name(), r.byte(), r.number()})
	}
	return list
}
