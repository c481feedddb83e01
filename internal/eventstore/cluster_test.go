package eventstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/events"
)

// startCluster runs three servers that form a cluster, and waits until JetStream is
// usable.
func startCluster(t *testing.T) []*server.Server {
	t.Helper()
	const size = 3
	var routes []*url.URL
	ports := make([]int, size)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		l.Close()
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])})
	}
	servers := make([]*server.Server, size)
	for i := range servers {
		ns, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT,
			NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "C", Host: "127.0.0.1", Port: ports[i]},
			Routes:  routes,
		})
		if err != nil {
			t.Fatal(err)
		}
		ns.Start()
		servers[i] = ns
		t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	}
	for _, ns := range servers {
		if !ns.ReadyForConnections(30 * time.Second) {
			t.Fatal("a server does not accept connections")
		}
	}
	eventually(t, "the cluster has a leader and all follow it", func() bool {
		leaders := 0
		for _, ns := range servers {
			if !ns.JetStreamIsCurrent() {
				return false
			}
			if ns.JetStreamIsLeader() {
				leaders++
			}
		}
		return leaders == 1
	})
	return servers
}

func TestOnAReplicatedStream(t *testing.T) {
	servers := startCluster(t)
	urls := servers[0].ClientURL() + "," + servers[1].ClientURL() + "," + servers[2].ClientURL()
	stores := make([]*Store, 2)
	for i := range stores {
		stores[i] = openStore(t, Config{Conn: dial(t, urls), Replicas: 3, AckWait: 2 * time.Second})
	}
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			if err := s.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := stores[0]
	info, err := s.info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Config.Replicas != 3 {
		t.Fatalf("the stream has %d replicas, want 3", info.Config.Replicas)
	}

	// One of two nodes makes the first events.
	errs := make([]error, len(stores))
	firsts := [][]events.Event{newEvents(2), newEvents(2)}
	for i, s := range stores {
		wg.Go(func() { errs[i] = s.AppendFirst(t.Context(), firsts[i]...) })
	}
	wg.Wait()
	winner := 0
	if errs[0] != nil {
		winner = 1
	}
	if errs[winner] != nil || !errors.Is(errs[1-winner], ErrNotEmpty) {
		t.Fatalf("the first appends gave %v and %v; want one success, one ErrNotEmpty", errs[0], errs[1])
	}

	// Both append while the stream's leader changes.
	var (
		mu     sync.Mutex
		where  = map[ulid.ULID]uint64{}
		begun  = make(chan struct{})
		begin  sync.Once
		leader sync.WaitGroup
	)
	leader.Go(func() {
		<-begun
		if _, err := s.nc.Request("$JS.API.STREAM.LEADER.STEPDOWN."+Stream, nil, 5*time.Second); err != nil && !errors.Is(err, nats.ErrTimeout) {
			t.Error(err)
		}
	})
	for caller := range 32 {
		wg.Go(func() {
			for round := range 20 {
				n := 1
				if caller%8 == 0 {
					n = 3
				}
				evs := newEvents(n)
				var end uint64
				for {
					var err error
					if end, err = stores[caller%2].Append(t.Context(), evs...); err == nil {
						break
					}
					// Without a leader for a moment; the same events again are safe.
					if !errors.Is(err, ErrUnavailable) {
						t.Error(err)
						return
					}
				}
				mu.Lock()
				for i, e := range evs {
					where[e.ID] = end - uint64(n) + 1 + uint64(i)
				}
				mu.Unlock()
				if round == 5 {
					begin.Do(func() { close(begun) })
				}
			}
		})
	}
	wg.Wait()
	leader.Wait()
	got := collect(t, stores[1], 2, len(where))
	if len(got) != len(where) {
		t.Errorf("the stream has %d events behind the first, %d were appended", len(got), len(where))
	}
	for _, r := range got {
		if where[r.Event.ID] != r.Seq {
			t.Errorf("event %s is at %d; its caller was told %d", r.Event.ID, r.Seq, where[r.Event.ID])
		}
	}
	r, err := s.Get(t.Context(), got[len(got)-1].Seq)
	if err != nil || r.Event.ID != got[len(got)-1].Event.ID {
		t.Errorf("Get gives %v, %v", r.Event.ID, err)
	}
}

func TestAStandaloneServerRefusesReplicas(t *testing.T) {
	s := openStore(t, Config{Conn: dial(t, startTCP(t)), Replicas: 3})
	if err := s.Ensure(t.Context()); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("the error is %v, want a refusal that does not pass", err)
	}
}
