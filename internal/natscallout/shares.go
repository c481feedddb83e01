package natscallout

import "sync"

// shares counts the workers that each address keeps busy. It has as many entries as there
// are busy workers, at the most.
type shares struct {
	mu sync.Mutex
	of map[string]int
}

// take gives the address one more worker, unless it has its share.
func (s *shares) take(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[host] >= share {
		return false
	}
	if s.of == nil {
		s.of = make(map[string]int)
	}
	s.of[host]++
	return true
}

// give takes it back.
func (s *shares) give(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[host]--; s.of[host] <= 0 {
		delete(s.of, host)
	}
}
