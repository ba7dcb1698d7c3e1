package delivery

// Stranded returns the lanes a dispatcher would leave alone for ever.
func (d *Dispatcher) Stranded() (names []string) {
	d.hand.mu.Lock()
	defer d.hand.mu.Unlock()
	for _, n := range d.hand.stranded() {
		names = append(names, n.name)
	}
	return names
}
