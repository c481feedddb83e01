// Package doctor says what is wrong with the data directory of a stopped node, and makes
// its stream anew from its audit log.
//
// What is guaranteed:
//
//   - [Examine] without [Config.RestoreStream] changes nothing in the directory, but for
//     the lock: the stream's store is kept aside while a server reads it, and put back
//     as it was. Should the doctor be killed, the next start or the next examination
//     puts it back.
//   - A restore builds the new store beside the old one, reads it back, syncs it, and
//     only then puts it into the place. The old store is moved to
//     stream.damaged-<time>, and never deleted. A crash leaves the old store or the new
//     one in the place, or neither, and the new one complete in stream.restored: the
//     next restore goes on from there.
//   - Nothing is restored from a log that is not whole, or that lacks what was applied
//     on this node.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tokenledger/tokenledger/audit"
	"github.com/tokenledger/tokenledger/internal/archive"
	"github.com/tokenledger/tokenledger/internal/identity"
	"github.com/tokenledger/tokenledger/internal/natsserver"
	"github.com/tokenledger/tokenledger/internal/offline"
)

// Config says what to examine.
type Config struct {
	// Data is the data directory. Its node must not run.
	Data string
	// NATSURL, if set, is where the stream lies, instead of Data; NATSCreds is a file
	// with credentials, or empty. Replicas are those of a stream that is restored there.
	NATSURL, NATSCreds string
	Replicas           int
	// RestoreStream has a stream that is damaged made anew from the audit log.
	RestoreStream bool
	// AcceptLoss allows that to leave behind what of the old stream cannot be placed.
	AcceptLoss bool
	// Logger receives what the NATS server logs. Nil: nothing is logged.
	Logger   *slog.Logger
	Progress archive.Progress

	// step, in tests, is told how far a restore is, and ends it there with an error as a
	// crash would: nothing is cleaned up.
	step func(string) error
}

// Severity is what a finding means.
type Severity string

// The severities.
const (
	// Damage: events of the stream or of the log are lost or changed.
	Damage Severity = "damage"
	// Trouble: the node does not start, or not as it should.
	Trouble Severity = "trouble"
	// Note: nothing is wrong with it.
	Note Severity = "note"
)

// Finding is one thing that was found.
type Finding struct {
	// Code names it for programs.
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	// What was found, Why it matters or how it may have come, and what to do.
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	Do   string `json:"do,omitempty"`
}

// Log is what the audit log is found to be.
type Log struct {
	Size uint64    `json:"size"`
	Root tlog.Hash `json:"root"`
	// Checkpoint is the size of the newest signed checkpoint; 0 without one.
	Checkpoint uint64 `json:"checkpoint"`
	// Whole says that every entry and hash was read and makes the root, and that of the
	// checkpoint, which is the node's own.
	Whole bool `json:"whole"`
}

// Restored says what a restore has done.
type Restored struct {
	// Archived and Followed count events: from the audit log, and from the old stream
	// behind it.
	Archived uint64 `json:"archived"`
	Followed uint64 `json:"followed"`
	// Left counts what of the old stream was left behind, and LeftWhy says why.
	Left    uint64 `json:"left,omitempty"`
	LeftWhy string `json:"left_why,omitempty"`
	// Damaged is where the old store is; empty if there was none.
	Damaged string `json:"damaged,omitempty"`
}

// Report is the outcome of an examination.
type Report struct {
	Data     string    `json:"data"`
	Node     string    `json:"node,omitempty"`
	Ledger   string    `json:"ledger,omitempty"`
	Healthy  bool      `json:"healthy"`
	Findings []Finding `json:"findings"`
	Log      *Log      `json:"log,omitempty"`
	// Stream says how the stream and the log agree.
	Stream *archive.Comparison `json:"stream,omitempty"`
	// Evidence is how far the stream was applied here, by keys/evidence.json, and
	// ReadModel by the read model.
	Evidence  uint64 `json:"evidence"`
	ReadModel uint64 `json:"read_model"`
	// Restored is set if the stream was made anew; the findings are those after it.
	Restored *Restored `json:"restored,omitempty"`
}

// Damaged reports whether events of the stream or of the log are lost or changed.
func (r *Report) Damaged() bool {
	for _, f := range r.Findings {
		if f.Severity == Damage {
			return true
		}
	}
	return false
}

func (r *Report) add(code string, s Severity, what, why, do string) {
	r.Findings = append(r.Findings, Finding{code, s, what, why, do})
	if s != Note {
		r.Healthy = false
	}
}

// NotRestoredError says why a stream was not restored. Nothing was changed.
type NotRestoredError struct {
	What, Do string
}

func (e *NotRestoredError) Error() string {
	return fmt.Sprintf("the stream was not restored: %s; %s (nothing was changed)", e.What, e.Do)
}

// Examine examines the directory of a stopped node, and restores its stream if that is
// asked for and needed. What is wrong with the data is in the report. Errors: an
// [*identity.LockedError] (the node runs), a [*NotRestoredError] (then there is a report
// too), or that something could not be looked at.
func Examine(ctx context.Context, cfg Config) (_ *Report, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.step == nil {
		cfg.step = func(string) error { return nil }
	}
	if err := isDataDir(cfg.Data); err != nil {
		return nil, err
	}
	lock, err := identity.LockDir(cfg.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if cfg.RestoreStream && cfg.NATSURL == "" {
		if err := finishInterrupted(cfg); err != nil {
			return nil, err
		}
	}
	report, restored, err := examine(ctx, cfg)
	if err != nil || restored == nil {
		return report, err
	}
	// What is there now is what counts.
	cfg.RestoreStream = false
	report, _, err = examine(ctx, cfg)
	if err != nil {
		return report, fmt.Errorf("the stream was restored; examine it: %w", err)
	}
	report.Restored = restored
	return report, nil
}

// isDataDir refuses a directory in which there is nothing of a node.
func isDataDir(dir string) error {
	for _, part := range []string{"keys", "audit", "stream", "projections"} {
		if _, err := os.Stat(filepath.Join(dir, part)); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("%s is not a node's data directory: it has no keys, audit, stream or projections; give --data the directory that the node was run with", dir)
}

// examination is one pass over the directory.
type examination struct {
	cfg    Config
	report *Report

	identity   *identity.Identity // nil if it cannot be read
	key        note.Verifier      // nil without an identity
	log        *audit.Reader      // nil if there is none that can be read
	checkpoint tlog.Tree
	// signed: there is a checkpoint, good or bad. unbelievable: it is not by the node's
	// key, or was taken away.
	signed, unbelievable bool
	kept                 *natsserver.Kept // nil with an external NATS
	stream               *offline.Stream  // nil if it could not be opened
	applied              uint64           // the highest sequence that was applied here
}

func examine(ctx context.Context, cfg Config) (report *Report, restored *Restored, err error) {
	x := &examination{cfg: cfg, report: &Report{Data: cfg.Data, Healthy: true, Findings: []Finding{}}}
	defer func() { err = errors.Join(err, x.close()) }()
	x.examineKeys()
	for _, part := range []func(context.Context) error{x.examineLog, x.examineEvidence, x.examineStream, x.examineApplied, x.examineReadModel, x.examineRest} {
		if err := part(ctx); err != nil {
			return nil, nil, err
		}
	}
	if cfg.RestoreStream {
		restored, err = x.restore(ctx)
	}
	return x.report, restored, err
}

// close closes what was opened, and has the stream's store as it was found.
func (x *examination) close() error {
	err := x.closeStream()
	if x.log != nil {
		err = errors.Join(err, x.log.Close())
	}
	return err
}

func (x *examination) closeStream() error {
	if x.stream != nil {
		x.stream.Close()
		x.stream = nil
	}
	if x.kept == nil {
		return nil
	}
	return x.kept.PutBack()
}

func (x *examination) path(part string) string { return filepath.Join(x.cfg.Data, part) }

// stamp is a time in a file's name.
func stamp(t time.Time) string { return t.UTC().Format("20060102T150405Z") }
