package questions

// LimitUses bounds the uses that are read for each part of a story.
func (a *Asker) LimitUses(n int) { a.bounds.uses = n }
