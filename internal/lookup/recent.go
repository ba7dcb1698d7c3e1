package lookup

import "sync"

// Recent remembers a value for each key. It is set up once and then safe for concurrent use.
type Recent[K comparable, V any] struct {
	// Max bounds the number of values: beyond it, a new one takes the place of an arbitrary one.
	Max int

	mu     sync.RWMutex
	values map[K]V
}

// Get returns the value of key.
func (r *Recent[K, V]) Get(key K) (value V, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	value, ok = r.values[key]
	return value, ok
}

// Put remembers value, unless there is one for key and keep says that it stays. It reports whether it did.
func (r *Recent[K, V]) Put(key K, value V, keep func(V) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.values[key]
	if known && keep(old) {
		return false
	}
	if r.values == nil {
		r.values = make(map[K]V)
	}
	if !known {
		for other := range r.values {
			if len(r.values) < r.Max {
				break
			}
			delete(r.values, other)
		}
	}
	r.values[key] = value
	return true
}

// Len returns how many values are remembered.
func (r *Recent[K, V]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.values)
}
