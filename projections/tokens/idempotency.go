package tokens

import (
	"encoding/binary"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// Answered is an event that answers a request with an Idempotency-Key.
type Answered struct {
	Seq uint64
	// TokenID is zero for an event that is about no token.
	TokenID ulid.ULID
	// Request is the SHA-256, in hex, over the operation and its input.
	Request string
	// Count is how many such events there are once the request was carried out
	// whole; 0 where it was carried out in one batch.
	Count uint64
}

func appendIdempotent(key, val []byte, r *events.Recorded, id ulid.ULID) (k, v []byte) {
	key = partPrefix(key, kindIdempotency, r.Event.Tenant, r.Event.Idempotency.Key)
	val = append(val, id[:]...)
	val = binary.BigEndian.AppendUint64(val, r.Event.Idempotency.Count)
	return binary.BigEndian.AppendUint64(key, r.Seq), append(val, r.Event.Idempotency.Request...)
}

// Answered gives the events that bear the idempotency key in the tenant, in the order
// of the stream: none if the key is new, many where one request made many events.
// key is [events.Idempotency.Key].
func (r *Reader) Answered(tenant, key string) ([]Answered, error) {
	prefix := partPrefix(nil, kindIdempotency, tenant, key)
	var all []Answered
	err := r.each(prefix, prefixEnd(prefix), func(key, value []byte) (bool, error) {
		if len(key) != len(prefix)+8 || len(value) < idSize+8 {
			return false, errRow
		}
		a := Answered{Seq: binary.BigEndian.Uint64(key[len(prefix):]), Request: string(value[idSize+8:]), Count: binary.BigEndian.Uint64(value[idSize:])}
		copy(a.TokenID[:], value)
		all = append(all, a)
		return true, nil
	})
	return all, err
}
