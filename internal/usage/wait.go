package usage

import (
	"context"
	"fmt"
)

// waitForRoom waits until the window that is too full has been closed.
func (r *Recorder) waitForRoom(ctx context.Context) error {
	for {
		r.mu.Lock()
		if r.refusal != nil {
			defer r.mu.Unlock()
			return r.refusal
		}
		if !r.full.Load() {
			r.mu.Unlock()
			return nil
		}
		if r.room == nil {
			r.room = make(chan struct{})
		}
		room := r.room
		r.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("record uses: the stream does not keep up, and the usage journal holds all that it may: %w", ctx.Err())
		}
	}
}

// makeRoom lets go whoever waits for room.
func (r *Recorder) makeRoom() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room != nil {
		close(r.room)
		r.room = nil
	}
}

func (r *Recorder) waitForStream(ctx context.Context, w *window) error {
	select {
	case <-w.published:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("record uses: they are in the journal but not yet in the stream: %w", ctx.Err())
	case <-r.done:
	}
	select {
	case <-w.published:
		return nil
	default:
		return ErrNotPublished
	}
}
