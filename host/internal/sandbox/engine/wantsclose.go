package engine

// WantsClose reports whether the guest exports on_close. If not, the host saves the
// question at the end of each connection.
func (p *Policy) WantsClose() bool { return p.code.exports.has(opClose) }
