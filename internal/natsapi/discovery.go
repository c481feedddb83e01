package natsapi

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/tokenledger/tokenledger/internal/auth"
)

// protocolVersion is that of the JSON: it changes when requests or answers do.
const protocolVersion = "1.0.0"

// endpoint is the name of the one that there is.
const endpoint = "validate"

func (s *Service) identity() micro.ServiceIdentity {
	return micro.ServiceIdentity{Name: auth.ServiceName, ID: s.id, Version: protocolVersion, Metadata: map[string]string{"build": s.cfg.Version}}
}

func (s *Service) ping() any {
	return micro.Ping{ServiceIdentity: s.identity(), Type: micro.PingResponseType}
}

func (s *Service) info() any {
	return micro.Info{
		ServiceIdentity: s.identity(), Type: micro.InfoResponseType,
		Description: "tokenledger: says whether an API token is good, for these scopes, here, now",
		Endpoints: []micro.EndpointInfo{{
			Name: endpoint, Subject: auth.ValidateSubject, QueueGroup: micro.DefaultQueueGroup,
			Metadata: map[string]string{"request": "as POST /v1/tokens/validate", "response": "as POST /v1/tokens/validate"},
		}},
	}
}

func (s *Service) stats() any {
	f := &s.figures
	n, took := f.requests.Load(), time.Duration(f.took.Load())
	e := &micro.EndpointStats{
		Name: endpoint, Subject: auth.ValidateSubject, QueueGroup: micro.DefaultQueueGroup,
		NumRequests: int(n), NumErrors: int(f.errors.Load()), LastError: f.last(), ProcessingTime: took,
	}
	if n > 0 {
		e.AverageProcessingTime = took / time.Duration(n)
	}
	return micro.Stats{ServiceIdentity: s.identity(), Type: micro.StatsResponseType, Started: s.started, Endpoints: []*micro.EndpointStats{e}}
}

// says answers with what say gives.
func (s *Service) says(say func() any) nats.MsgHandler {
	return func(m *nats.Msg) {
		if !answerable(m.Reply) {
			s.unanswerable()
			return
		}
		body, err := json.Marshal(say())
		if err == nil {
			err = s.cfg.Conn.Publish(m.Reply, body)
		}
		if err != nil {
			s.cfg.Logger.Debug("the service did not make itself known over NATS", "error", err)
		}
	}
}

// figures are what STATS tells.
type figures struct {
	requests, errors, took atomic.Int64

	mu       sync.Mutex
	lastCode string
}

func (f *figures) answered(took time.Duration) {
	f.requests.Add(1)
	f.took.Add(int64(took))
}

// failed notes an error by its code; what a request held stands in none.
func (f *figures) failed(code string) {
	f.errors.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastCode = code
}

func (f *figures) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastCode
}
