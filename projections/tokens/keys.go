package tokens

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// A key begins with its kind. Ids are 16 bytes and sort by the time of creation;
// sequences are 8 bytes, big-endian. An index has empty values: the record says
// whether an entry still holds.
//
// The order of the kinds is that in which a batch is written.
const (
	kindByTenant    = 'c' // tenant, id
	kindExpiry      = 'e' // tenant, expires_at, id
	kindChange      = 'h' // id, seq of an event that may have changed the record; the generated one is named there
	kindIdempotency = 'i' // tenant, key, seq -> token id, request
	kindJournal     = 'j' // node -> journal position
	kindLedger      = 'l' // -> the ledger created
	kindMention     = 'm' // id, seq of an event about the token that changes nothing: uses, rejections, questions
	kindByOwner     = 'o' // tenant, owner, id
	kindRevoked     = 'r' // tenant, id
	kindBySite      = 's' // tenant, site, id
	kindToken       = 't' // id -> record
	kindUsage       = 'u' // id -> usage
	kindRoot        = 'w' // id of a token that was given ledger:root
	kindByHash      = 'x' // SHA-256 of an imported token -> id
	kindSuspended   = 'z' // tenant, id
)

const idSize = len(ulid.ULID{})

func idKey(b []byte, kind byte, id ulid.ULID) []byte {
	return append(append(b, kind), id[:]...)
}

// seqKey is a key of kindChange or kindMention.
func seqKey(b []byte, kind byte, id ulid.ULID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(idKey(b, kind, id), seq)
}

// tenantPrefix begins the keys of an index within a tenant.
func tenantPrefix(b []byte, kind byte, tenant string) []byte {
	return appendPart(append(b, kind), tenant)
}

// partPrefix begins the keys of an index by a value within a tenant.
func partPrefix(b []byte, kind byte, tenant, value string) []byte {
	return appendPart(tenantPrefix(b, kind, tenant), value)
}

func expiryKey(b []byte, tenant string, at time.Time, id ulid.ULID) []byte {
	return append(appendSortableTime(tenantPrefix(b, kindExpiry, tenant), at), id[:]...)
}

func hashKey(b []byte, h events.Digest) []byte {
	return append(append(b, kindByHash), h[:]...)
}

// maxPart is the longest value that stands in a key as it is.
const maxPart = 100

// appendPart appends a value so that no other value's key begins with it. A long one
// is replaced by its SHA-256.
func appendPart(b []byte, s string) []byte {
	if len(s) > maxPart {
		sum := sha256.Sum256([]byte(s))
		return append(append(b, 0xff), sum[:]...)
	}
	return append(append(b, byte(len(s))), s...)
}

// sortableTime is the size of a time in a key: seconds, then nanoseconds, so that
// the bytes sort as the times do.
const sortableTime = 12

func appendSortableTime(b []byte, t time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// prefixEnd is the first key behind all that begin with prefix; no prefix here
// consists of 0xff only.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}
