package main

import (
	"encoding/json"
	"strings"

	"github.com/tokenledger/tokenledger/client/api"
)

// facts is what people are told of an event beyond its row.
type facts struct {
	Data struct {
		TokenID string `json:"token_id"`
		Name    string `json:"name"`
		Count   uint64 `json:"count"`
		Actor   struct {
			Type    string `json:"type"`
			ID      string `json:"id"`
			Name    string `json:"name"`
			TokenID string `json:"token_id"`
		} `json:"actor"`
		Origin struct {
			IP        string `json:"ip"`
			UserAgent string `json:"user_agent"`
		} `json:"origin"`
	} `json:"data"`
}

// factsOf reads an event. What does not decode is left empty: it is for people, and
// --json has it all.
func factsOf(e api.AuditEvent) (f facts) {
	_ = json.Unmarshal(e.Event, &f)
	return f
}

// kindOf gives what happened, in a word.
func kindOf(e api.AuditEvent) string { return e.Subject[strings.LastIndexByte(e.Subject, '.')+1:] }

// aboutToken gives the id of the token that an event is about.
func aboutToken(e api.AuditEvent) string { return factsOf(e).Data.TokenID }

// byWhomAndFrom gives "root (token 01J…) from 192.0.2.7 with curl/8.5".
func (f *facts) byWhomAndFrom() string {
	who := f.Data.Actor.Name
	if f.Data.Actor.ID != "" {
		who += " (" + strings.TrimSpace(f.Data.Actor.Type+" "+f.Data.Actor.ID) + ")"
	}
	if f.Data.Origin.IP != "" {
		who += " from " + f.Data.Origin.IP
	}
	if f.Data.Origin.UserAgent != "" {
		who += " with " + f.Data.Origin.UserAgent
	}
	return strings.TrimSpace(who)
}
