package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/audit/questions"
	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/events"
	"github.com/tokenledger/tokenledger/internal/auth"
	"github.com/tokenledger/tokenledger/internal/eventstore"
	"github.com/tokenledger/tokenledger/internal/follower"
	"github.com/tokenledger/tokenledger/internal/httpapi"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/internal/ledger"
	"github.com/tokenledger/tokenledger/internal/natscreds"
	"github.com/tokenledger/tokenledger/internal/natsserver"
	"github.com/tokenledger/tokenledger/internal/secretscan"
	"github.com/tokenledger/tokenledger/internal/signin"
	"github.com/tokenledger/tokenledger/internal/telemetry"
	"github.com/tokenledger/tokenledger/internal/usage"
	"github.com/tokenledger/tokenledger/projections"
	"github.com/tokenledger/tokenledger/projections/tokens"
)

// Server is a running node.
type Server struct {
	cfg      Config
	identity *identity.Identity
	source   string
	reader   *tokens.Reader
	audit    *audit.Log
	runner   *projections.Runner
	broker   *natsserver.Server // nil with an external NATS
	kept     *natsserver.Kept   // the stream's store before broker; nil with an external NATS
	conn     *nats.Conn
	store    *eventstore.Store
	follower *follower.Follower
	uses     *usage.Recorder
	ledger   atomic.Pointer[ledger.Ledger] // nil until the node is ready
	metrics  *telemetry.Metrics
	listener net.Listener
	http     *http.Server
	extAuthz *extAuthz // nil without a listener for it
	// stopServing lets the requests that run finish, and takes no more.
	stopServing func()
	stopping    atomic.Bool
	handler     atomic.Pointer[http.Handler]
	tls         *tls.Config
	gitHub      *secretscan.Receiver // nil without --leaks-github-keys

	// index finds events in the audit log, questions answers from it.
	index     *index.Index
	questions *questions.Asker

	people      *signin.Party // nil where people cannot sign in
	subscribers subscribers
	// undo takes the node apart, last part first.
	undo []func()
	// failed gets the first reason why a running node cannot go on.
	failed chan error
	once   sync.Once
}

// Start makes a node and returns when it is ready: it has caught up with the
// stream, and answers requests. On an error nothing is left running.
//
// Errors to expect: [*UsageError] (the settings), [*identity.LockedError],
// [*identity.NewerError], [*follower.Refusal] (the stream is not the one that was
// applied here), a busy port, an unreadable or unwritable disk.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, failed: make(chan error, 1), metrics: telemetry.New()}
	defer func() {
		if err != nil {
			s.takeApart()
		}
	}()
	for _, step := range []func(context.Context) error{
		s.openGitHub, s.listen, s.listenExtAuthz, s.openSignIn, s.openData, s.openAudit, s.openReadModel, s.connect, s.createOrJoin, s.follow, s.recoverUses, s.openQuestions, s.open,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Wait returns when the node cannot go on, with the reason.
func (s *Server) Wait() <-chan error { return s.failed }

// Ledger is the node's door, for use in the same process.
func (s *Server) Ledger() *ledger.Ledger { return s.ledger.Load() }

// URL is the address of the HTTP listener.
func (s *Server) URL() string {
	scheme := "http://"
	if s.tls != nil {
		scheme = "https://"
	}
	return scheme + s.listener.Addr().String()
}

// NATSURL is the address of the embedded server's listener; empty without one.
func (s *Server) NATSURL() string {
	if s.broker == nil {
		return ""
	}
	return s.broker.ClientURL()
}

// Shutdown stops the node in order. Requests that run are given a few seconds to
// finish.
func (s *Server) Shutdown() { s.once.Do(s.takeApart) }

func (s *Server) takeApart() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
	s.undo = nil
}

func (s *Server) onStop(f func()) { s.undo = append(s.undo, f) }

// fail reports why the node cannot go on; the first reason counts.
func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// openData takes the data directory for this process.
func (s *Server) openData(context.Context) error {
	lock, err := identity.LockDir(s.cfg.DataDir)
	if err != nil {
		return err
	}
	s.onStop(func() { _ = lock.Release() })
	if s.cfg.ReadyFile != "" {
		// Left by a node that was killed: it must not speak for this one.
		if err := os.Remove(s.cfg.ReadyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the old ready file: %w", err)
		}
	}
	if s.identity, err = identity.Open(s.cfg.keysDir()); err != nil {
		return err
	}
	s.source = "/tokenledger/" + s.identity.Node
	// What a restore that was killed at its very end has left: the keys come last.
	return os.RemoveAll(filepath.Join(s.cfg.DataDir, identity.RestoringDir))
}

// openAudit opens the audit log, and with it the archive of the stream.
func (s *Server) openAudit(context.Context) error {
	signer, err := s.identity.Signer()
	if err != nil {
		return err
	}
	verifier, err := s.identity.Verifier()
	if err != nil {
		return err
	}
	if _, err := os.Stat(s.cfg.auditDir()); errors.Is(err, fs.ErrNotExist) && s.identity.Evidence().Seq > 0 {
		s.cfg.Logger.Warn("there is no audit log, and it is made anew from the stream; if there was one, hold the new one against a checkpoint that was kept elsewhere (audit verify --since)", "dir", s.cfg.auditDir())
	}
	s.audit, err = audit.Open(audit.Config{Dir: s.cfg.auditDir(), Signer: signer, Verifier: verifier, SignLater: true, OnFatal: s.fail, Logger: s.cfg.Logger})
	if bad, ok := errors.AsType[*audit.CorruptError](err); ok {
		return &follower.Refusal{What: bad.Error(), Hint: "run tokenledger audit verify and tokenledger doctor on the data directory; put the audit directory back from a backup"}
	}
	if err != nil {
		return err
	}
	s.onStop(func() {
		if err := s.audit.Close(); err != nil {
			s.cfg.Logger.Error("the audit log was not closed cleanly; it continues from its last commit", "error", err)
		}
	})
	return nil
}

func (s *Server) openReadModel(context.Context) (err error) {
	projection := tokens.New(tokens.Config{})
	s.runner, err = projections.Open(s.cfg.projectionsDir(), s.cfg.Logger, s.fail, projection)
	if err != nil {
		return err
	}
	s.onStop(func() {
		if err := s.runner.Close(); err != nil {
			s.cfg.Logger.Error("the read model was not closed cleanly; it continues from its last sync", "error", err)
		}
	})
	s.reader = projection.Reader()
	return nil
}

// connect reaches the stream's server: the embedded one, or another.
func (s *Server) connect(context.Context) (err error) {
	if s.cfg.NATSURL == "" {
		if s.kept, err = natsserver.Keep(s.cfg.streamDir()); err != nil {
			return err
		}
		s.onStop(func() {
			if err := s.kept.PutBack(); err != nil {
				s.cfg.Logger.Error("the stream's store was not put back as it was before this start", "error", err)
			}
		})
		exports := auth.NodeExports()
		s.broker, err = natsserver.Start(natsserver.Config{
			StoreDir: s.cfg.streamDir(), Listen: s.cfg.NATSListen, ServerName: "tokenledger-" + s.identity.Node,
			Logger: s.cfg.Logger, Authenticate: s.admitSubscriber, TLS: s.tls,
			ExportStreams: exports.Streams, ExportServices: exports.Services,
		})
		if err != nil {
			return err
		}
		s.onStop(s.broker.Shutdown)
		s.conn, err = s.broker.Connect()
	} else {
		if s.conn, err = nats.Connect(s.cfg.NATSURL, s.externalOptions("tokenledger "+s.identity.Node)...); err != nil {
			err = fmt.Errorf("connect to the NATS server of --nats-url %s: %w; check that it runs, and that --nats-creds are right", s.cfg.NATSURL, err)
		}
	}
	if err != nil {
		return err
	}
	s.onStop(s.conn.Close)
	s.store, err = eventstore.Open(eventstore.Config{Conn: s.conn, Replicas: max(1, s.cfg.Replicas), Logger: s.cfg.Logger})
	if err != nil {
		return err
	}
	s.onStop(s.store.Close)
	return nil
}

// externalOptions are those of a connection to the server of --nats-url.
func (s *Server) externalOptions(name string) []nats.Option {
	options := []nats.Option{nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(500 * time.Millisecond), nats.ReconnectBufSize(-1),
		// Without a handler the client writes to standard error.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.cfg.Logger.Warn("the node's NATS connection", "error", err)
		}),
	}
	if s.cfg.NATSCreds != "" {
		options = append(options, natscreds.User(s.cfg.NATSCreds))
	}
	return options
}

// release lets go of the stream's store as it was before this start. Nothing is
// appended before that.
func (s *Server) release() error {
	if s.kept == nil {
		return nil
	}
	return s.kept.Release()
}

// compareFor bounds how long a start compares the stream with the audit log before it
// goes on with that in the background.
const compareFor = time.Second

// follow checks the stream and catches up with it.
func (s *Server) follow(ctx context.Context) error {
	s.follower = follower.New(follower.Config{
		Store: s.store, Runner: s.runner, Log: s.audit, MaxStaleness: s.cfg.MaxStaleness, Logger: s.cfg.Logger,
		Evidence: s.identity.Evidence(),
	})
	s.conn.SetReconnectHandler(func(*nats.Conn) { s.follower.Reconnected() })
	if err := s.follower.Check(ctx); err != nil {
		return err
	}
	if err := s.checkRestored(); err != nil {
		return err
	}
	if err := s.follower.CompareUnsigned(ctx); err != nil {
		return err
	}
	s.audit.Sign()
	compared, err := s.follower.CompareFor(ctx, compareFor)
	if err != nil {
		return err
	}
	if err := s.release(); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.follower.Run(running) })
	wg.Go(func() { s.follower.CompareOn(running, compared) })
	s.onStop(func() { stop(); wg.Wait() })
	if from := s.runner.From(); s.follower.Last()-from > 10_000 {
		s.cfg.Logger.Info("catching up", "events", s.follower.Last()-from, "of_them_from_the_audit_log", max(s.audit.Size(), from)-from)
	}
	if err := s.follower.Ready(ctx); err != nil {
		return err
	}
	if err := s.replayed(ctx); err != nil {
		return err
	}
	if err := s.joinLedger(); err != nil {
		return err
	}
	// A stream of an earlier build does not do so. Of a server that others run, the
	// configuration is theirs.
	return s.store.Republish(ctx, s.broker != nil)
}

// recoverUses opens the usage journal and puts its rest into the stream.
func (s *Server) recoverUses(context.Context) (err error) {
	mark, err := s.reader.JournalPos(s.identity.Node)
	if err != nil {
		return err
	}
	s.uses, err = usage.Open(usage.Config{
		Dir: s.cfg.journalDir(), Node: s.identity.Node, Source: s.source,
		Window: s.cfg.UsageWindow, Strict: s.cfg.StrictUsage,
		Append: s.publishUses, HighWater: mark, NewID: commands.NewID, Logger: s.cfg.Logger, OnFatal: s.fail,
	})
	if behind, ok := errors.AsType[*usage.BehindError](err); ok {
		return &follower.Refusal{What: behind.Error(), Hint: "the journal is evidence: keep a copy of it"}
	}
	if err != nil {
		return err
	}
	s.onStop(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.uses.Close(ctx); err != nil {
			s.cfg.Logger.Warn("uses stay in the journal until the next start", "error", err)
		}
		// What was published last is applied too, and with it comes into the
		// evidence that the next start holds the stream against.
		if err := s.follower.Ready(ctx); err != nil {
			s.cfg.Logger.Debug("the read model was not brought up to the stream's end", "error", err)
		}
		s.keepEvidence()
	})
	return nil
}

// publishUses appends events that may have been given to it before. Those prove
// nothing of the read model when they come: they may have been stored long ago.
func (s *Server) publishUses(ctx context.Context, again bool, evs ...events.Event) (uint64, error) {
	if again {
		return s.store.Append(ctx, evs...)
	}
	return s.publish(ctx, evs...)
}

// publish appends new events and has the follower look out for them.
func (s *Server) publish(ctx context.Context, evs ...events.Event) (uint64, error) {
	proof := s.follower.Begin()
	last, err := s.store.Append(ctx, evs...)
	if err == nil {
		s.follower.Stored(proof, last)
	}
	return last, err
}

// open puts the door in and answers requests.
func (s *Server) open(ctx context.Context) error {
	now := commands.Clock(s.cfg.Now)
	state := &ledger.State{Reader: s.reader, Runner: s.runner, Past: s.follower}
	judge := commands.NewJudge(state, s.cfg.Now, s.follower.AsOf, s.follower.CatchUp)
	node := events.Actor{Type: "system", ID: s.identity.Node, Name: "tokenledger"}
	uses := recorder{s.uses, s.metrics.Verdicts(verdicts())}
	people, err := s.cfg.SignIn.people()
	if err != nil {
		return err
	}
	door := ledger.New(ledger.Config{
		Handler: commands.NewHandler(commands.Config{
			Log: commandLog{s.publish}, State: state, Policy: s.cfg.Policy, People: people, Source: s.source, TokenPrefix: s.cfg.TokenPrefix, Now: s.cfg.Now,
		}),
		Judge: judge, State: state, Uses: uses, Freshness: s.follower, Runner: s.runner, Now: now, Logger: s.cfg.Logger,
		Log: s.audit, VerifierKey: s.identity.PublicKey, Questions: s.questions, People: s.people,
		Auth: &auth.Authenticator{Judge: judge, Uses: uses, Node: node, Now: now, Failures: auth.NewFailures(s.cfg.FailureLimit)},
	})
	s.ledger.Store(door)
	s.warm()
	s.watch()
	s.enforceUnused()
	if err := s.answerCallout(ctx); err != nil {
		return err
	}
	s.figures()
	proxies, err := s.cfg.proxies()
	if err != nil {
		return err
	}
	var handler http.Handler = httpapi.New(httpapi.Config{
		Ledger: door, Logger: s.cfg.Logger, Observe: s.metrics.Observe, Metrics: s.metrics.Handler(),
		Ready: s.ready, Healthy: s.healthy, Version: s.cfg.Version, GitHub: s.gitHub, PublicURL: s.issuer(),
		ForwardAuthOpen: s.cfg.ForwardAuthOpen, TrustedProxies: proxies,
	})
	s.handler.Store(&handler)
	// Registered behind the parts below, which are there until the last request has
	// been answered.
	s.onStop(func() { s.stopping.Store(true); s.stopAll() })
	if err := s.serveNATS(door); err != nil {
		return err
	}
	// Whoever verifies or backs up a node that is ready finds a log with a checkpoint
	// over what the start has brought.
	if _, err := s.audit.Checkpoint(ctx); err != nil {
		return err
	}
	// What the background has found meanwhile.
	if err := s.follower.Refused(); err != nil {
		return err
	}
	return s.writeReadyFile()
}

// warm brings what validation reads into memory, beside the first requests, and
// gives the system back what the start alone needed.
func (s *Server) warm() {
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.reader.Warm(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("tokens were not read ahead of their first use", "error", err)
		}
		debug.FreeOSMemory()
	})
	s.onStop(func() { stop(); wg.Wait() })
}

// healthy reports a part that has failed.
func (s *Server) healthy() error {
	if s.broker == nil {
		return nil
	}
	return s.broker.Healthy()
}

// ready reports why the node should get no work.
func (s *Server) ready() error {
	if s.stopping.Load() {
		return errors.New("this node is stopping")
	}
	return errors.Join(s.healthy(), s.follower.Fresh())
}

// figures registers what the parts know of themselves.
func (s *Server) figures() {
	m := s.metrics
	m.Gauge("applied_seq", "Stream sequence that the read side has applied.", func() float64 { return float64(s.runner.Applied()) })
	m.Gauge("stream_seq", "Last sequence of the stream, as last heard.", func() float64 { return float64(s.follower.Last()) })
	m.Gauge("lag_events", "Events of the stream that the read side has not applied yet.", func() float64 {
		applied := s.runner.Applied() // first: what was last heard is at least that
		return float64(s.follower.Last() - applied)
	})
	m.Gauge("staleness_seconds", "Age of the last proof that the read side is complete.", func() float64 { return time.Since(s.follower.AsOf()).Seconds() })
	m.Gauge("audit_size", "Entries of the audit log that are durable.", func() float64 { return float64(s.audit.Size()) })
	m.Gauge("audit_lag_events", "Events applied that are not durable in the audit log yet.", func() float64 {
		size := s.audit.Size() // first: what was appended is at least that
		return float64(s.audit.Appended() - size)
	})
	m.Gauge("audit_index_lag_events", "Entries of the audit log that questions do not find yet.", func() float64 {
		indexed := s.index.Indexed() // first: what is durable is at least that
		return float64(s.audit.Size() - indexed)
	})
	m.Gauge("usage_pending", "Uses in the journal that are not in the stream yet.", func() float64 { uses, _ := s.uses.Pending(); return float64(uses) })
	m.Gauge("usage_lag_seconds", "How long the oldest of those has waited.", func() float64 { return s.uses.Lag().Seconds() })
	m.Gauge("events_unknown", "Events passed over because this build does not know their type or version.", func() float64 {
		var n uint64
		for _, p := range s.runner.Status() {
			n += p.Unknown
		}
		return float64(n)
	})
	m.Gauge("ready", "1 when the node answers, 0 when it refuses.", func() float64 {
		if s.ready() != nil {
			return 0
		}
		return 1
	})
}

// joinLedger ties the data directory to the ledger whose stream was followed.
func (s *Server) joinLedger() error {
	l, ok, err := s.reader.Ledger()
	if err != nil {
		return err
	}
	if !ok {
		return &follower.Refusal{What: "the stream does not begin with the creation of a ledger", Hint: "this NATS server's stream " + eventstore.Stream + " belongs to something else; give the ledger a NATS account of its own"}
	}
	if mine := s.identity.LedgerID; mine != (ulid.ULID{}) && mine != l.ID {
		return &follower.Refusal{What: fmt.Sprintf("the stream is that of ledger %s, and this data directory belongs to ledger %s", l.ID, mine), Hint: "connect to the right NATS server, or give --data the directory that belongs to it"}
	}
	return s.identity.Join(l.ID)
}

func (s *Server) writeReadyFile() error {
	if s.cfg.ReadyFile == "" {
		return nil
	}
	extAuthz := ""
	if s.extAuthz != nil {
		extAuthz = fmt.Sprintf("\"ext_authz\":%q,", s.ExtAuthzAddr())
	}
	content := fmt.Sprintf("{\"http\":%q,\"nats\":%q,%s\"pid\":%d}\n", s.URL(), s.NATSURL(), extAuthz, os.Getpid())
	tmp := s.cfg.ReadyFile + ".tmp"
	if err := os.WriteFile(tmp, []byte(content), 0o644); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	if err := os.Rename(tmp, s.cfg.ReadyFile); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	s.onStop(func() { _ = os.Remove(s.cfg.ReadyFile) })
	return nil
}
