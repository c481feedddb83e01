package tokens

// LimitScan makes List look at n rows at most.
func (r *Reader) LimitScan(n int) { r.maxScan = n }
