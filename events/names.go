package events

// names keeps one copy of each string that comes again and again. What it keeps
// is bounded: when full it starts anew.
type names struct {
	byValue map[string]string
}

const (
	maxNames      = 4096
	maxNameLength = 64
)

func (n *names) get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > maxNameLength {
		return string(b)
	}
	if s, ok := n.byValue[string(b)]; ok {
		return s
	}
	if n.byValue == nil || len(n.byValue) >= maxNames {
		n.byValue = make(map[string]string)
	}
	s := string(b)
	n.byValue[s] = s
	return s
}
