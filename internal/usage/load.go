package usage

import (
	"runtime"
	"time"
)

// load tells whether the process has been using most of the processors.
type load struct {
	at  time.Time
	cpu time.Duration
}

// busyShare is the share of all processors from which on the process is busy.
const busyShare = 0.7

// busy looks at the time since it was last called.
func (l *load) busy() bool {
	now, cpu := time.Now(), processCPU()
	took, used := now.Sub(l.at), cpu-l.cpu
	first := l.at.IsZero()
	l.at, l.cpu = now, cpu
	return !first && used > time.Duration(busyShare*float64(took)*float64(runtime.GOMAXPROCS(0)))
}
