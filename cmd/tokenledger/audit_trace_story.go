package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tokenledger/tokenledger/client/api"
)

// tell is a token's story for people, in the order in which they ask.
func tell(t api.Trace) string {
	var b strings.Builder
	part := func(title, body string) {
		fmt.Fprintf(&b, "\n%s\n\n%s", clean(title), body)
	}
	fmt.Fprintf(&b, "Token %s %q is %s, as of sequence %d.\n", clean(t.Token.ID), t.Token.Name, clean(t.Token.Status), t.Seq)
	if warning := afterEnd(t); warning != "" {
		part(warning, moreOf(t, ownTable(t.AfterEnd), t.MoreAfterEnd))
	}
	if leaks := ofKind(t.Changes, "leaked"); len(leaks) > 0 {
		part("!! REPORTED AS LEAKED", moreOf(t, ownTable(leaks), t.MoreChanges))
	}
	part("What it is", pastRecord(t.Token))
	maker := ""
	if len(t.Changes) > 0 {
		first := t.Changes[0]
		f := factsOf(first)
		maker = f.Data.Actor.Name
		at := first.Received
		part("Who made it", fmt.Sprintf("%s by %s, at sequence %d.\n", when(&at), clean(f.byWhomAndFrom()), first.Seq))
	}
	switch {
	case len(t.Besides) > 0:
		part("What "+maker+" changed besides", more(eventTable(t.Besides), t.MoreBesides))
	case maker != "":
		part("What "+maker+" changed besides", "Nothing.\n")
	}
	if len(t.Addresses) > 0 {
		part(fmt.Sprintf("Where it was presented: %s accepted, %s refused, first %s, last %s",
			atLeast(t.Uses, t.MoreUses), atLeast(t.Rejections, t.MoreUses), when(t.FirstSeen), when(t.LastSeen)),
			moreOf(t, addressTable(t.Addresses), t.MoreAddresses)+unread(t))
	} else {
		part("Where it was presented", "Nowhere.\n")
	}
	part("What happened to it", moreOf(t, ownTable(t.Changes), t.MoreChanges))
	return b.String()
}

// unread says which presentations are not in a story, and how to see them.
func unread(t api.Trace) string {
	if !t.MoreUses {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nIt was presented too often for all to be read: these are the oldest, the newest, and those after its revocation.\nNot read:\n")
	for _, u := range t.Unread {
		fmt.Fprintf(&b, "  %s from sequence %d to %d: tokenledger audit events --token %s --cursor %s --all\n",
			count(int(u.Events), "event"), u.From, u.To, clean(t.Token.ID), clean(u.Cursor))
	}
	return b.String()
}

// afterEnd is what has to be read first: that somebody still has the token.
func afterEnd(t api.Trace) string {
	if len(t.AfterEnd) == 0 {
		return ""
	}
	var used, refused uint64
	for _, e := range t.AfterEnd {
		n := factsOf(e).Data.Count
		if kindOf(e) == "used" {
			used += n
		} else {
			refused += n
		}
	}
	warning := fmt.Sprintf("!! PRESENTED AFTER ITS REVOCATION (%s): %s refused", when(t.Token.RevokedAt), atLeast(refused, t.MoreAfterEnd))
	if used > 0 {
		warning += ", " + atLeast(used, t.MoreAfterEnd) + " ACCEPTED"
	}
	return warning
}

// ofKind gives the events of a kind.
func ofKind(all []api.AuditEvent, kind string) (some []api.AuditEvent) {
	for _, e := range all {
		if kindOf(e) == kind {
			some = append(some, e)
		}
	}
	return some
}

// times gives "1 time", "2 times".
func times(n uint64) string {
	if n == 1 {
		return "1 time"
	}
	return strconv.FormatUint(n, 10) + " times"
}

// atLeast is times, and says where there can be more.
func atLeast(n uint64, cut bool) string {
	if cut {
		return "at least " + times(n)
	}
	return times(n)
}

func more(rows string, cut bool) string {
	if cut {
		return rows + "… and more: tokenledger audit events shows all.\n"
	}
	return rows
}

// moreOf is more for events about the token.
func moreOf(t api.Trace, rows string, cut bool) string {
	if cut {
		return rows + "… and more: tokenledger audit events --token " + clean(t.Token.ID) + " --all shows all.\n"
	}
	return rows
}

func addressTable(addresses []api.TraceAddress) string {
	rows := newTable("ADDRESS", "ACCEPTED", "REFUSED", "FIRST", "LAST", "SEQ", "SITES", "WITH")
	for _, a := range addresses {
		seqs := strconv.FormatUint(a.FirstSeq, 10)
		if a.LastSeq != a.FirstSeq {
			seqs += "-" + strconv.FormatUint(a.LastSeq, 10)
		}
		rows.row(a.IP, strconv.FormatUint(a.Uses, 10), strconv.FormatUint(a.Rejections, 10), when(&a.First), when(&a.Last), seqs,
			someOf(a.Sites, 3), someOf(a.UserAgents, 2))
	}
	return rows.String()
}

// pastRecord writes a token's record as it was, a field a line.
func pastRecord(t api.PastToken) string {
	rows := newTable()
	rows.field("id", t.ID)
	rows.field("name", t.Name)
	rows.field("tenant", t.Tenant)
	rows.field("site", t.Site)
	rows.field("owner", t.Owner)
	rows.field("scopes", strings.Join(t.Scopes, " "))
	rows.field("status", t.Status)
	rows.field("created", byWhom(&t.CreatedAt, t.CreatedBy))
	rows.field("not before", when(t.NotBefore))
	rows.field("expires", when(t.ExpiresAt))
	rows.field("revoked", byWhom(t.RevokedAt, t.RevokedBy))
	rows.field("reason code", t.ReasonCode)
	rows.field("reason", t.RevokeReason)
	rows.field("rotated from", t.RotatedFrom)
	rows.field("rotated to", t.RotatedTo)
	rows.field("allowed from", strings.Join(t.AllowedCIDRs, " "))
	var keys []string
	for key := range t.Metadata {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		rows.row("meta "+key, t.Metadata[key])
	}
	rows.field("sequences", sequenceList(t.Seqs))
	return rows.String()
}

// sequenceList names the first and the last few of sequences.
func sequenceList(seqs []uint64) string {
	var words []string
	for i, seq := range seqs {
		if len(seqs) > 8 && i == 4 {
			words = append(words, "…")
		}
		if len(seqs) <= 8 || i < 4 || i >= len(seqs)-3 {
			words = append(words, strconv.FormatUint(seq, 10))
		}
	}
	return strings.Join(words, " ")
}
