package engine

import "encoding/binary"

// poll answers one subscription of poll_oneoff: userdata at 0, its kind at 8
// (0 clock), the timeout in ns at 24, flags at 40 (bit 0: absolute); the event
// repeats userdata and kind, with an error number at 8.
func (w *callContext) poll(event, sub []byte) {
	le := binary.LittleEndian
	user, kind, timeout := le.Uint64(sub), sub[8], le.Uint64(sub[24:])
	clear(event)
	le.PutUint64(event, user)
	event[10] = kind
	if kind != 0 {
		le.PutUint16(event[8:], wasiBadf)
		return
	}
	if le.Uint16(sub[40:])&1 != 0 {
		w.monoNs = max(w.monoNs, timeout)
	} else if w.monoNs+timeout > w.monoNs {
		w.monoNs += timeout
	}
}
