package usage

import (
	"context"
	"errors"
	"fmt"
)

// Close takes no more uses, publishes what there is until ctx ends, and leaves the
// rest in the journal for the next start. It returns nil if nothing is left, an
// error that wraps ctx's if something is.
func (r *Recorder) Close(ctx context.Context) error {
	r.closeOnce.Do(func() { r.closeErr = r.shutDown(ctx) })
	return r.closeErr
}

func (r *Recorder) shutDown(ctx context.Context) error {
	r.refuse(ErrClosed)
	r.mu.Lock()
	var idle chan struct{}
	if r.leading {
		idle = make(chan struct{})
		r.idle = idle
	}
	r.mu.Unlock()
	if idle != nil {
		<-idle // at most a write away
	}
	close(r.closing)
	select {
	case <-r.done:
	case <-ctx.Done():
		r.cancel()
		<-r.done
	}
	r.cancel()
	return r.closeJournal(ctx)
}

func (r *Recorder) closeJournal(ctx context.Context) error {
	r.journalMu.Lock()
	defer r.journalMu.Unlock()
	err := r.journal.close()
	select {
	case <-r.failed:
		return errors.Join(r.failure, err)
	default:
	}
	if uses, keys := r.Pending(); uses > 0 {
		cause := ctx.Err()
		if cause == nil {
			cause = ErrNotPublished
		}
		return errors.Join(fmt.Errorf("close usage recorder: %d uses (%d events) stay in the journal until the next start: %w", uses, keys, cause), err)
	}
	return err
}

// refuse makes Record give err from now on; the first reason stands.
func (r *Recorder) refuse(err error) {
	r.mu.Lock()
	if r.refusal == nil {
		r.refusal = err
	}
	r.mu.Unlock()
	r.makeRoom()
}
