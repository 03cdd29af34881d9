package bearer

// Cached returns how many verdicts are kept.
func (v *Verifier) Cached() int {
	v.known.mu.RLock()
	defer v.known.mu.RUnlock()
	return len(v.known.verdict)
}

// Forget drops every verdict.
func (v *Verifier) Forget() {
	v.known.mu.Lock()
	defer v.known.mu.Unlock()
	clear(v.known.verdict)
}
