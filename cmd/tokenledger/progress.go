package main

import (
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far a long job has come, on standard error and only if that is a
// terminal; elsewhere show is nil. end takes the bar away, and must be called before
// anything else is written.
func (m *Main) progress(what string) (show func(done, total uint64), end func()) {
	if _, ok := terminal(m.Stderr); !ok {
		return nil, func() {}
	}
	return progressOn(m.Stderr, what)
}

func progressOn(w io.Writer, what string, options ...mpb.ContainerOption) (show func(done, total uint64), end func()) {
	all := mpb.New(append(options, mpb.WithOutput(w), mpb.WithWidth(40))...)
	var mu sync.Mutex // a job that was left behind may show what it has done
	var bar *mpb.Bar
	var ended bool
	show = func(done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return
		}
		if bar == nil {
			bar = all.AddBar(int64(total),
				mpb.PrependDecorators(decor.Name(what+" ")),
				mpb.AppendDecorators(decor.CountersNoUnit("%d/%d "), decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO), "")),
				mpb.BarRemoveOnComplete(),
			)
		}
		bar.SetCurrent(int64(done))
	}
	return show, func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		if bar != nil {
			bar.Abort(true)
		}
		all.Wait()
	}
}
