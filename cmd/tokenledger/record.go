package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenledger/tokenledger/client/api"
)

// record writes all of a token's record for people, a field a line.
func record(t api.Token) string {
	rows := newTable()
	rows.field("id", t.ID)
	rows.field("name", t.Name)
	rows.field("tenant", t.Tenant)
	rows.field("site", t.Site)
	rows.field("owner", t.Owner)
	rows.field("scopes", strings.Join(t.Scopes, " "))
	rows.field("status", t.Status)
	if p := t.Person; p != nil {
		rows.field("session of", p.Name+" ("+p.Subject+" at "+p.Issuer+")")
	}
	rows.field("created", byWhom(&t.CreatedAt, t.CreatedBy))
	rows.field("not before", when(t.NotBefore))
	rows.field("expires", when(t.ExpiresAt))
	rows.field("revoked", byWhom(t.RevokedAt, t.RevokedBy))
	rows.field("reason code", t.ReasonCode)
	rows.field("reason", t.RevokeReason)
	rows.field("rotated from", t.RotatedFrom)
	rows.field("rotated to", t.RotatedTo)
	rows.field("allowed from", strings.Join(t.AllowedCIDRs, " "))
	rows.field("uses", strconv.FormatUint(t.UseCount, 10))
	if used := when(t.LastUsedAt); used != "" {
		if t.LastUsedIP != "" {
			used += " from " + t.LastUsedIP
		}
		rows.field("last used", used)
	}
	for _, key := range slices.Sorted(maps.Keys(t.Metadata)) {
		rows.row("meta "+key, t.Metadata[key])
	}
	rows.field("sequence", strconv.FormatUint(t.Seq, 10))
	return rows.String()
}

func byWhom(t *time.Time, who string) string {
	at := when(t)
	if at != "" && who != "" {
		at += " by " + who
	}
	return at
}

// tokenTable is a list of tokens for people.
func tokenTable(tokens []api.Token) string {
	rows := newTable("ID", "NAME", "SITE", "OWNER", "STATUS", "SCOPES", "LAST USED", "ENDS")
	for _, t := range tokens {
		used := when(t.LastUsedAt)
		if used == "" {
			used = "never"
		}
		ends := when(end(t))
		if ends == "" {
			ends = "never"
		}
		rows.row(t.ID, t.Name, t.Site, t.Owner, t.Status, someOf(t.Scopes, 3), used, ends)
	}
	return rows.String()
}

// end gives when a token ends or ended: it expires or is revoked, whichever comes
// first.
func end(t api.Token) *time.Time {
	if t.ExpiresAt == nil || t.RevokedAt != nil && t.RevokedAt.Before(*t.ExpiresAt) {
		return t.RevokedAt
	}
	return t.ExpiresAt
}

// someOf joins the first n of a list and counts the rest.
func someOf(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ",")
	}
	return fmt.Sprintf("%s,+%d", strings.Join(list[:n], ","), len(list)-n)
}
