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

// Answered gives the first events that bear the idempotency key in the tenant, limit at
// the most, in the order of the stream: none if the key is new, many where one request
// made many events. key is [events.Idempotency.Key].
func (r *Reader) Answered(tenant, key string, limit int) ([]Answered, error) {
	var all []Answered
	err := r.eachAnswered(tenant, key, func(a Answered) bool {
		all = append(all, a)
		return len(all) < limit
	})
	return all, err
}

// AnsweredTotal counts the events that bear the key in the tenant, and gives the
// sequence of the last; 0 where there is none.
func (r *Reader) AnsweredTotal(tenant, key string) (n int, last uint64, err error) {
	err = r.eachAnswered(tenant, key, func(a Answered) bool {
		n, last = n+1, a.Seq
		return true
	})
	return n, last, err
}

// AnsweredAt gives the event at seq if it bears the key in the tenant, and false if it
// does not.
func (r *Reader) AnsweredAt(tenant, key string, seq uint64) (Answered, bool, error) {
	row, found, err := r.get(binary.BigEndian.AppendUint64(partPrefix(nil, kindIdempotency, tenant, key), seq))
	if err != nil || !found {
		return Answered{}, false, err
	}
	a, err := decodeAnswered(seq, row)
	return a, err == nil, err
}

func (r *Reader) eachAnswered(tenant, key string, use func(Answered) (more bool)) error {
	prefix := partPrefix(nil, kindIdempotency, tenant, key)
	return r.each(prefix, prefixEnd(prefix), func(key, value []byte) (bool, error) {
		if len(key) != len(prefix)+8 {
			return false, errRow
		}
		a, err := decodeAnswered(binary.BigEndian.Uint64(key[len(prefix):]), value)
		return err == nil && use(a), err
	})
}

func decodeAnswered(seq uint64, row []byte) (a Answered, err error) {
	if len(row) < idSize+8 {
		return a, errRow
	}
	a = Answered{Seq: seq, Request: string(row[idSize+8:]), Count: binary.BigEndian.Uint64(row[idSize:])}
	copy(a.TokenID[:], row)
	return a, nil
}
