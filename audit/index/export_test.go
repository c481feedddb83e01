package index

// LimitSteps bounds the rows that one Find looks at.
func (x *Index) LimitSteps(n int) { x.maxSteps = n }
