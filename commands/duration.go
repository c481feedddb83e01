package commands

import (
	"regexp"
	"strconv"
	"time"
)

var durationPattern = regexp.MustCompile(`^(?:([0-9]{1,5})w)?(?:([0-9]{1,5})d)?((?:[0-9]+(?:h|m|s|ms))*)$`)

// ParseDuration reads a length of time as people set it: "2w", "90d", "12h",
// "1d12h", "1h30m". Go's own grammar has no unit above the hour. It reports false
// for anything else, and for more than 292 years.
func ParseDuration(s string) (time.Duration, bool) {
	parts := durationPattern.FindStringSubmatch(s)
	if parts == nil || s == "" {
		return 0, false
	}
	const day = 24 * time.Hour
	var total time.Duration
	for i, unit := range []time.Duration{7 * day, day} {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.ParseUint(parts[i+1], 10, 32)
		if err != nil || time.Duration(n) > (maxDuration-total)/unit {
			return 0, false
		}
		total += time.Duration(n) * unit
	}
	if parts[3] != "" {
		rest, err := time.ParseDuration(parts[3])
		if err != nil || rest > maxDuration-total {
			return 0, false
		}
		total += rest
	}
	return total, true
}

const maxDuration time.Duration = 1<<63 - 1
