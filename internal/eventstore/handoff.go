package eventstore

import "sync"

// handoff passes items from one goroutine to another, which takes all that wait
// at once. So under load the batches are large, and a single item waits for none.
type handoff[T any] struct {
	mu      sync.Mutex
	changed sync.Cond
	items   []T
	max     int
	closed  bool
	err     error
}

func newHandoff[T any](max int) *handoff[T] {
	h := &handoff[T]{max: max}
	h.changed.L = &h.mu
	return h
}

// put adds the items, waiting for room. It gives false if the handoff is closed.
func (h *handoff[T]) put(items ...T) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.items)+len(items) > h.max && len(h.items) > 0 && !h.closed {
		h.changed.Wait()
	}
	if h.closed {
		return false
	}
	h.items = append(h.items, items...)
	if len(h.items) == len(items) {
		h.changed.Broadcast()
	}
	return true
}

// take gives all that waits, at least one item, and keeps empty for what comes
// next. After close it gives what was left, and then the error.
func (h *handoff[T]) take(empty []T) ([]T, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.items) == 0 && !h.closed {
		h.changed.Wait()
	}
	if len(h.items) == 0 {
		return empty, h.err
	}
	items := h.items
	h.items = empty[:0]
	h.changed.Broadcast()
	return items, nil
}

// close ends the handoff; err must not be nil. The first close holds.
func (h *handoff[T]) close(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed, h.err = true, err
		h.changed.Broadcast()
	}
}
