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

// ParseTTL reads the life of a new token; empty is none. Less than a second is refused,
// "0s" above all: it must not become a token without an end.
func ParseTTL(s string) (time.Duration, error) {
	d, err := parseField("ttl", s)
	if err == nil && d < time.Second && s != "" {
		return 0, invalid("ttl_invalid", "a ttl of less than a second would expire at once", durationHint)
	}
	return d, err
}

// ParseGrace reads the time that an old token has left; empty is none.
func ParseGrace(s string) (time.Duration, error) { return parseField("grace", s) }

const durationHint = `write "90d", "12h" or "1h30m"`

func parseField(field, s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, ok := ParseDuration(s)
	if !ok {
		return 0, invalid(field+"_invalid", field+" is not a duration, or a longer one than 292 years", durationHint)
	}
	return d, nil
}
