package main

import (
	"testing"
	"time"
)

func TestHowLongAgo(t *testing.T) {
	now := created
	for text, want := range map[string]string{
		"90d": "2025-12-01T12:00:00Z", "2w": "2026-02-15T12:00:00Z", "1d12h": "2026-02-28T00:00:00Z", "90m": "2026-03-01T10:30:00Z",
		"2026-01-01T01:00:00+01:00": "2026-01-01T00:00:00Z",
	} {
		var p past
		if err := p.UnmarshalText([]byte(text)); err != nil || p.before(now).Format(time.RFC3339) != want {
			t.Errorf("%s is %v, %v; want %s", text, p.before(now), err, want)
		}
	}
	for _, text := range []string{"", "0d", "-1d", "90", "d", "1y", "2026-01-01", "99999999999999h", "1h1d"} {
		var p past
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, p)
		}
	}
}
