package follower

import "time"

// Proof is the beginning of an append by this node. The event that it stores comes
// behind all that were stored before it began; once that event has come back and
// is applied, the projections hold everything up to begun. So a node that writes
// proves its freshness by writing, also when the leader is too busy with writes
// to answer questions.
type Proof struct {
	begun time.Time
	// applied is what had been applied then. An event at or below it cannot be
	// the one: the stream that stored it is another.
	applied uint64
}

// Begin is called before an append.
func (f *Follower) Begin() Proof { return Proof{time.Now(), f.runner.Applied()} }

// Stored is called with the sequence of the append's last event.
func (f *Follower) Stored(p Proof, seq uint64) {
	if seq <= p.applied {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hearLocked(seq)
	// One proof under way is enough: the next begins when it has arrived.
	if f.awaited == 0 {
		f.awaited, f.proof = seq, p
		f.arriveLocked()
	}
}

// hearLocked notes that the stream has the sequence.
func (f *Follower) hearLocked(seq uint64) {
	if seq > f.last.Load() {
		f.last.Store(seq)
	}
}

// applied looks, after every batch, whether the awaited event was in it.
func (f *Follower) applied() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arriveLocked()
}

func (f *Follower) arriveLocked() {
	if f.awaited == 0 || f.runner.Applied() < f.awaited {
		return
	}
	f.awaited = 0
	f.advanceLocked(f.proof.begun)
}

// advanceLocked notes that the projections hold everything up to t.
func (f *Follower) advanceLocked(t time.Time) {
	if f.refusal != nil || f.checked.Load() != f.reconnects.Load() || t.Before(f.since) {
		return // what was asked before does not hold any more
	}
	if asOf := f.asOf.Load(); asOf != nil && !t.After(*asOf) {
		return
	}
	f.asOf.Store(&t)
	f.broadcastLocked()
}
