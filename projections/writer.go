package projections

import "github.com/cockroachdb/pebble/v2"

// Writer takes what a projection writes for one batch of events. What it is given
// can be read, through a [View] or [Writer.Get], only after the commit: a projection
// that needs to read its own writes within a batch keeps them in memory until
// [Stateful.Flush]. That is an order of magnitude cheaper than an indexed batch.
//
// Within a batch the last write to a key wins. Keys and values are copied.
type Writer struct {
	v *View
	b *pebble.Batch
}

// Get reads what is committed, as [View.Get] does.
func (w *Writer) Get(key, dst []byte) (value []byte, found bool, err error) {
	return w.v.Get(key, dst)
}

// Set writes a row.
func (w *Writer) Set(key, value []byte) {
	op := w.b.SetDeferred(len(w.v.space)+len(key), len(value))
	copy(op.Key[copy(op.Key, w.v.space):], key)
	copy(op.Value, value)
	_ = op.Finish() // fails for indexed batches only
}

// Merge writes an operand that [Merging.MergeValues] joins to what the row holds,
// when it is read.
func (w *Writer) Merge(key, value []byte) {
	op := w.b.MergeDeferred(len(w.v.space)+len(key), len(value))
	copy(op.Key[copy(op.Key, w.v.space):], key)
	copy(op.Value, value)
	_ = op.Finish()
}

// Delete removes a row, if there is one.
func (w *Writer) Delete(key []byte) {
	op := w.b.DeleteDeferred(len(w.v.space) + len(key))
	copy(op.Key[copy(op.Key, w.v.space):], key)
	_ = op.Finish()
}
