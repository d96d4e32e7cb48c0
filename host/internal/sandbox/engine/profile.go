package engine

// Profile is what an instance declared when it was made, and the fuel that making it
// took.
type Profile struct {
	ABIVersion  uint32 // that it is written for
	BufferBytes uint32 // of its event buffer, as far as this version fills it
	StateBytes  uint32 // of its learned state; 0: it has none
	StateFormat uint64
	// FuelInit and FuelConfigure are the most that one call took: of the start
	// function and _initialize, and of configure_buffer and configure.
	FuelInit, FuelConfigure uint64
}

// Profile returns the profile of the living instance; the zero Profile if none
// lives.
func (p *Policy) Profile() Profile {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inst == nil {
		return Profile{}
	}
	f := p.inst.profile
	f.BufferBytes, f.StateBytes, f.StateFormat = p.inst.buffer.size, p.inst.state.size, p.inst.format
	return f
}
