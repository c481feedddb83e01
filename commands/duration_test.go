package commands

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0s": 0, "90d": 90 * day, "2w": 14 * day, "1w1d": 8 * day, "12h": 12 * hour, "1d12h": 36 * hour,
		"1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond, "15000w": 15000 * 7 * day,
	} {
		if got, ok := ParseDuration(s); !ok || got != want {
			t.Errorf("%s: %v, %v; want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "d", "-1d", "1.5d", "1d-2h", "12h1d", "a while", "1ns", "1y", "90", "99999w", "99999999999h"} {
		if got, ok := ParseDuration(s); ok {
			t.Errorf("%s was read as %v", s, got)
		}
	}
}
