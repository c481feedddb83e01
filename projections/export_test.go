package projections

// SetBulk lowers the sizes of [Runner.Bulk]: how much is gathered, in bytes of events, and
// from how many rows on a table is made.
func (r *Runner) SetBulk(bytes, rows int) { r.bulk.bytes, r.bulk.rows = bytes, rows }
