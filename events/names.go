package events

// names keeps one copy of each string that comes again and again. What it keeps
// is bounded: when full it starts anew.
type names struct {
	byValue map[string]string
	// recent holds the last string of each that [slot] gives. To look here first
	// takes a tenth of what the map takes, and most strings come again at once. Who
	// decodes an event or two has none: its 4 KB would be dearer than the event.
	recent *[256]string
}

const (
	maxNames      = 4096
	maxNameLength = 64
	// manyNames is how many strings a decoder has met that is used over and over.
	manyNames = 32
)

func (n *names) get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > maxNameLength {
		return string(b)
	}
	if n.recent != nil {
		if s := n.recent[slot(b)]; s == string(b) {
			return s
		}
	}
	s, ok := n.byValue[string(b)]
	if !ok {
		if n.byValue == nil || len(n.byValue) >= maxNames {
			n.byValue = make(map[string]string)
		}
		s = string(b)
		n.byValue[s] = s
	}
	if n.recent == nil && len(n.byValue) >= manyNames {
		n.recent = new([256]string)
	}
	if n.recent != nil {
		n.recent[slot(b)] = s
	}
	return s
}

// slot tells apart what names differ in mostly: how they end, and how long they are.
func slot(b []byte) uint8 {
	return b[len(b)-1]*31 ^ b[len(b)/2]*7 ^ uint8(len(b))
}
