package server

import (
	"context"

	"github.com/tokenledger/tokenledger/internal/secretscan"
)

// openGitHub makes ready for messages of GitHub's secret scanning. It comes first, so
// that a mistake in the setting is noticed before anything is written.
func (s *Server) openGitHub(context.Context) (err error) {
	if s.cfg.LeaksGitHubKeys == "" {
		return nil
	}
	s.gitHub, err = secretscan.Open(secretscan.Config{Keys: s.cfg.LeaksGitHubKeys, Logger: s.cfg.Logger})
	if err != nil {
		return misused("--leaks-github-keys cannot be used: %v", err)
	}
	return nil
}
