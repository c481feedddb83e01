package commands

import "sync"

// keyedLocks is a mutex for each key that somebody holds or waits for. Its zero
// value is ready.
type keyedLocks[K comparable] struct {
	mu   sync.Mutex
	held map[K]*keyedLock
}

type keyedLock struct {
	mu    sync.Mutex
	users int
}

// lock takes the key's lock and gives what releases it.
func (l *keyedLocks[K]) lock(key K) (unlock func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = make(map[K]*keyedLock)
	}
	k := l.held[key]
	if k == nil {
		k = new(keyedLock)
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()

	k.mu.Lock()
	return func() {
		k.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.held, key)
		}
	}
}
