package projections

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/tokenledger/tokenledger/events"
)

// bulkBytes is how much is gathered before it is written, in bytes of events. What
// read models make of them is about half of that.
const bulkBytes = 32 << 20

// Bulk is for many events at once: those that fill gives to apply, under the rules of
// [Runner.Apply]. What the projections write is gathered in memory, that of about 32 MB
// of events, and goes into the store as a table that is made in the order of the keys: past
// Pebble's log and its memtables, and with so much less to compact that a rebuild costs
// a third less. With each table its events can be read, and are durable; on nil all of
// them are. After an error, which may be fill's own, those that were gathered last are
// not kept.
//
// Nothing else is applied meanwhile: [Runner.Apply], [Runner.Rebuild] and [Runner.Close]
// wait.
func (r *Runner) Bulk(fill func(apply func([]events.Recorded) error) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enter(); err != nil {
		return err
	}
	defer r.s.leave()
	c, gathered := r.begin(r.s.db.NewBatch(pebble.WithInitialSizeBytes(r.bulk.bytes/4), pebble.WithMaxRetainedSizeBytes(r.bulk.bytes))), 0
	err := fill(func(batch []events.Recorded) error {
		if len(batch) == 0 {
			return nil
		}
		if err := r.Err(); err != nil {
			return err
		}
		if err := r.add(c, batch); err != nil {
			return err
		}
		for i := range batch {
			gathered += len(batch[i].Raw)
		}
		if gathered < r.bulk.bytes {
			return nil
		}
		if err := r.finish(c, r.ingest); err != nil {
			return err
		}
		c, gathered = r.begin(c.b), 0
		return nil
	})
	if err == nil {
		err = r.finish(c, r.ingest)
	}
	if err != nil {
		r.discard(c)
		return err
	}
	return c.b.Close()
}
