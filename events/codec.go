package events

import "fmt"

// MaxSize bounds an encoded event, in bytes. With what the audit log puts around it,
// an entry of https://c2sp.org/tlog-tiles, which has 65,535 at most, must hold it.
const MaxSize = 64_000

// usualSize is more than most encoded events take, in bytes.
const usualSize = 1 << 10

// Encode gives the bytes of e as they are published. It refuses an event that
// Decode would refuse.
func Encode(e Event) ([]byte, error) {
	if e.Data == nil {
		return nil, missing("data")
	}
	if err := checkEnvelope(&e); err != nil {
		return nil, fmt.Errorf("encode %s event: %w", e.Data.Type(), err)
	}
	if err := e.Data.check(); err != nil {
		return nil, fmt.Errorf("encode %s event: %w", e.Data.Type(), within("data", err))
	}
	w := &writer{buf: make([]byte, 0, usualSize)}
	w.event(&e)
	if w.err != nil {
		return nil, fmt.Errorf("encode %s event: %w", e.Data.Type(), w.err)
	}
	raw := w.buf
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("encode %s event: %d bytes are more than the %d that an event may have", e.Data.Type(), len(raw), MaxSize)
	}
	return raw, nil
}

// event writes the envelope and what is in it.
func (w *writer) event(e *Event) {
	w.open()
	w.string("specversion", SpecVersion)
	w.ulid("id", e.ID)
	w.string("source", e.Source)
	w.string("type", string(e.Data.Type()))
	w.someString("subject", e.Subject)
	w.time("time", e.Time.UTC())
	w.string("datacontenttype", "application/json")
	w.string("tenant", e.Tenant)
	// CloudEvents allows lower-case letters and digits in an attribute's name.
	w.someString("idempotencykey", e.Idempotency.Key)
	w.someString("idempotencyrequest", e.Idempotency.Request)
	w.someUint("idempotencycount", e.Idempotency.Count)
	w.key("data")
	e.Data.encode(w)
	w.close()
}

// Decoder decodes events. It keeps the names that it meets often (tenants, sites,
// actors), so that a replay does not allocate them anew. It is not safe for
// concurrent use; its zero value is ready.
type Decoder struct {
	names names
}

// Decode reads one event. The result shares no memory with raw, save for the data
// of an [Unknown]. Errors are [*FieldError]s.
func Decode(raw []byte) (Event, error) { return new(Decoder).Decode(raw) }

// Decode reads one event, as the function [Decode] does.
func (d *Decoder) Decode(raw []byte) (Event, error) {
	r := &reader{buf: raw, names: &d.names}
	var (
		e        Event
		typ      Type
		dataAt   = -1 // where the data stands, if it came before the type
		specSeen bool
	)
	err := r.object(func(key []byte) (err error) {
		switch string(key) {
		case "specversion":
			var v []byte
			if v, err = r.bytes(); err == nil && string(v) != SpecVersion {
				err = invalid("is %q; this build reads %q", v, SpecVersion)
			}
			specSeen = true
		case "id":
			e.ID, err = r.ulid()
		case "source":
			e.Source, err = r.name()
		case "type":
			var s string
			s, err = r.name()
			typ = Type(s)
		case "subject":
			e.Subject, err = r.string()
		case "time":
			e.Time, err = r.time()
		case "datacontenttype":
			var v []byte
			if v, err = r.bytes(); err == nil && string(v) != "application/json" {
				err = invalid("is %q; events are application/json", v)
			}
		case "tenant":
			e.Tenant, err = r.name()
		case "idempotencykey":
			e.Idempotency.Key, err = r.string()
		case "idempotencyrequest":
			e.Idempotency.Request, err = r.string()
		case "idempotencycount":
			e.Idempotency.Count, err = r.uint()
		case "data":
			if typ == "" {
				dataAt = r.pos
				return r.skip()
			}
			e.Data = dataOf(typ)
			return e.Data.decode(r)
		default:
			return r.skip()
		}
		return err
	})
	if err == nil {
		err = r.end()
	}
	if err != nil {
		return Event{}, err
	}
	if !specSeen {
		return Event{}, missing("specversion")
	}
	if typ == "" {
		return Event{}, missing("type")
	}
	if e.Data == nil {
		e.Data = dataOf(typ)
		if dataAt >= 0 {
			r.pos = dataAt
			if err := e.Data.decode(r); err != nil {
				return Event{}, within("data", err)
			}
		}
	}
	if err := checkEnvelope(&e); err != nil {
		return Event{}, err
	}
	if err := e.Data.check(); err != nil {
		return Event{}, within("data", err)
	}
	return e, nil
}

func dataOf(t Type) Data {
	if d := newData(t); d != nil {
		return d
	}
	return &Unknown{Name: t}
}

func checkEnvelope(e *Event) error {
	switch {
	case e.ID.IsZero():
		return missing("id")
	case e.Source == "":
		return missing("source")
	case e.Time.IsZero():
		return missing("time")
	case e.Tenant == "":
		return missing("tenant")
	case !ValidTenant(e.Tenant):
		return &FieldError{Field: "tenant", Problem: "is not of the form [a-z0-9][a-z0-9-]{0,62}"}
	case e.Data.Type() == "":
		return missing("type")
	}
	return nil
}
