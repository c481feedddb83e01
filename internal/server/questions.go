package server

import (
	"context"
	"sync"

	"github.com/tokenledger/tokenledger/audit/index"
	"github.com/tokenledger/tokenledger/audit/questions"
)

// openQuestions has the index over the audit log follow it, in the background: the node
// answers without it, questions wait. An index that fails says so in the log and in the
// answers to questions; nothing else depends on it.
func (s *Server) openQuestions(context.Context) error {
	s.index = index.New(index.Config{Dir: s.cfg.indexDir(), Log: s.audit, Logger: s.cfg.Logger})
	s.questions = questions.New(questions.Config{Log: s.audit, Index: s.index, Tokens: s.reader, Projections: s.runner})
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.index.Run(ctx) }) // which has logged its error
	s.onStop(func() { stop(); wg.Wait() })
	return nil
}
