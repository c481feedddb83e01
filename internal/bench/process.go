package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tokenledger/tokenledger/client"
)

// process is a node as its operator runs it: `serve` in a process of its own.
type process struct {
	cmd *exec.Cmd
	url string
	// root calls the node with its root token.
	root   *client.Client
	bearer string
	exited chan error // gets one
	log    strings.Builder
}

// startProcess starts a node on dir, with the settings that `serve` has by default
// but for its ports, and waits until it is ready.
func (b *bench) startProcess(ctx context.Context, dir string) (_ *process, err error) {
	readyFile := filepath.Join(dir, "ready.json")
	if err := os.Remove(readyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	p := &process{exited: make(chan error, 1)}
	// The context does not kill it: it is to stop in order.
	p.cmd = exec.Command(b.Program, "serve", "--data", dataDir(dir), "--http", "127.0.0.1:0", "--nats-listen", "off", //nolint:gosec // our own program
		"--bootstrap-token-file", rootFile(dir), "--ready-file", readyFile, "--log-level", "warn")
	p.cmd.Stderr = &p.log
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TOKENLEDGER_") {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a node: %w", err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	if err := p.awaitReady(ctx, readyFile); err != nil {
		return nil, err
	}
	root, err := os.ReadFile(rootFile(dir))
	if err != nil {
		return nil, fmt.Errorf("read the root token of the node: %w", err)
	}
	p.bearer = strings.TrimSpace(string(root))
	p.root, err = client.New(client.Config{URL: p.url, Token: client.NewSecret(p.bearer)})
	return p, err
}

func (p *process) awaitReady(ctx context.Context, readyFile string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, err := os.ReadFile(readyFile)
		var ready struct{ HTTP string }
		if err == nil && json.Unmarshal(raw, &ready) == nil {
			p.url = ready.HTTP
			return nil
		}
		select {
		case err := <-p.exited:
			p.exited <- err
			return errors.New("the node ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// stop ends the process in order, and returns when it has ended. An error tells
// what the node said.
func (p *process) stop() error {
	if p.root != nil {
		p.root.Close()
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the node: %w", err)
	}
	if err := <-p.exited; err != nil {
		return fmt.Errorf("the node ended with %w: %s", err, strings.TrimSpace(p.log.String()))
	}
	return nil
}

func (p *process) resident() (float64, error)     { return memoryOf(p.cmd.Process.Pid, residentNow) }
func (p *process) residentMost() (float64, error) { return memoryOf(p.cmd.Process.Pid, residentMost) }
