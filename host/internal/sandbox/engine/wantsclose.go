package engine

// WantsClose reports whether the guest exports on_close: whether asking it
// about ends, which each costs a question, tells anybody anything.
func (p *Policy) WantsClose() bool { return p.code.exports.has(opClose) }
