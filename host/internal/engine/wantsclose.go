package engine

// WantsClose reports whether the guest exports on_close: whether asking it
// about ends, which each costs a question, tells anybody anything.
func (p *Policy) WantsClose() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.code.ExportedFunctions()[exportClose]
	return ok
}
