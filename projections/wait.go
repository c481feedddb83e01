package projections

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
)

// waiters lets many callers wait for a sequence. Each is woken once, when its
// sequence is reached; the cost of a wait is O(log n) of those that wait.
type waiters struct {
	reached atomic.Uint64
	mu      sync.Mutex
	queue   waitQueue
	ended   error // why nobody waits any more
	spare   sync.Pool
}

type waiter struct {
	seq   uint64
	index int // in the queue; -1 once woken
	woken chan error
}

func (w *waiters) wait(ctx context.Context, seq uint64) error {
	if w.reached.Load() >= seq {
		return nil
	}
	me, _ := w.spare.Get().(*waiter)
	if me == nil {
		me = &waiter{woken: make(chan error, 1)}
	}
	me.seq = seq

	w.mu.Lock()
	switch {
	case w.ended != nil:
		w.mu.Unlock()
		return w.ended
	case w.reached.Load() >= seq:
		w.mu.Unlock()
		w.spare.Put(me)
		return nil
	}
	heap.Push(&w.queue, me)
	w.mu.Unlock()

	select {
	case err := <-me.woken:
		w.spare.Put(me)
		return err
	case <-ctx.Done():
	}
	w.mu.Lock()
	if me.index >= 0 {
		heap.Remove(&w.queue, me.index)
		w.mu.Unlock()
		w.spare.Put(me)
		return context.Cause(ctx)
	}
	w.mu.Unlock()
	err := <-me.woken // it was reached just now
	w.spare.Put(me)
	return err
}

// reach sets the sequence and wakes whoever waits for it or an earlier one. It may
// go back, which wakes nobody.
func (w *waiters) reach(seq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached.Store(seq)
	for len(w.queue) > 0 && w.queue[0].seq <= seq {
		heap.Pop(&w.queue).(*waiter).woken <- nil
	}
}

// end wakes everybody with err and lets nobody wait any more.
func (w *waiters) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil {
		w.ended = err
	}
	for len(w.queue) > 0 {
		heap.Pop(&w.queue).(*waiter).woken <- err
	}
}

// waitQueue is a heap, the lowest sequence first.
type waitQueue []*waiter

func (q waitQueue) Len() int           { return len(q) }
func (q waitQueue) Less(i, j int) bool { return q[i].seq < q[j].seq }
func (q waitQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *waitQueue) Push(x any) {
	w := x.(*waiter)
	w.index = len(*q)
	*q = append(*q, w)
}

func (q *waitQueue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	w.index = -1
	return w
}
