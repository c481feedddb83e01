package usage

import (
	"hash/maphash"
	"time"

	"github.com/tokenledger/tokenledger/commands"
)

// window is the uses between two markers, with what the recorder has to know of
// them.
type window struct {
	uses   *commands.UseWindow
	opened time.Time // when its first use came; zero while it has none
	marker uint64    // position of its marker, once it is closed
	// after is the position up to which its events are in the stream.
	after uint64
	// published is closed once all of its events are in the stream.
	published chan struct{}
}

func newWindow(seed maphash.Seed) *window {
	return &window{uses: commands.NewUseWindow(seed), published: make(chan struct{})}
}

func recoveredWindow(uses *commands.UseWindow, marker, highWater uint64) *window {
	w := &window{uses: uses, marker: marker, after: highWater, published: make(chan struct{})}
	if uses.Len() > 0 {
		w.opened = time.Now()
	}
	return w
}
