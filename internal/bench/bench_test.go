package bench

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a run that takes a moment and measures nothing of worth.
func small(t *testing.T) Config {
	t.Helper()
	return Config{Slice: 50 * time.Millisecond, Rounds: 1, Tokens: 2000, Dir: t.TempDir(), Version: "test"}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("%s was left behind", e.Name())
	}
}

func TestEverySuiteGivesItsFigureBesideItsFloor(t *testing.T) {
	cfg := small(t)
	results, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	empty(t, cfg.Dir)
	own := map[string][]string{
		"generate":      {"callers", "floor_at_64_callers", "bytes_per_event", "slice_seconds"},
		"generate-1":    {"callers", "bytes_per_event", "slice_seconds"},
		"revoke":        {"callers", "floor_at_64_callers", "bytes_per_event", "slice_seconds"},
		"validate-http": {"connections", "tokens", "presented", "restart_to_ready_seconds", "drain_seconds", "answered", "recorded", "value_zipf_1.1", "slice_seconds"},
		"import":        {"events_per_batch", "floor_batches_under_way", "bytes_per_event", "slice_seconds"},
		"forward-auth":  {"connections", "tokens", "presented", "floor_is", "value_any_token_alike", "answered", "recorded", "slice_seconds"},
		"validate-nats": {"connections", "tokens", "presented", "answered", "recorded", "echo_in_another_account", "slice_seconds"},
		"replay":        {"events", "mix", "bytes_per_event", "close_seconds"},
	}
	var names []string
	for _, r := range results {
		names = append(names, r.Suite)
		if r.Value <= 0 || r.Floor <= 0 || r.Ratio <= 0 || !strings.HasSuffix(r.Unit, "/s") {
			t.Errorf("suite %s gave %+v", r.Suite, r)
		}
		for _, want := range append(own[r.Suite],
			"cores", "platform", "go", "version", "rounds", "stream_durability", "usage_durability", "read_model_durability", "cpu_us_per_operation") {
			if r.Conditions.Get(want) == nil {
				t.Errorf("suite %s does not tell its %s", r.Suite, want)
			}
		}
	}
	if all := append(names, memorySuite); !slices.Equal(all, Suites()) {
		t.Errorf("the suites that ran are %v", names)
	}
	if got := results[3].Conditions; got.Get("answered") == uint64(0) || got.Get("answered") != got.Get("recorded") {
		t.Errorf("%v validations were answered and %v recorded", got.Get("answered"), got.Get("recorded"))
	}

	doc, err := json.Marshal(results)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(doc), `[{"suite":"generate","value":`) || !strings.Contains(string(doc), `"conditions":{"cores":`) {
		t.Errorf("as JSON: %s", doc)
	}
	var back []map[string]any
	if err := json.Unmarshal(doc, &back); err != nil {
		t.Fatal(err)
	}
	for _, r := range back {
		for _, key := range []string{"suite", "value", "unit", "floor", "ratio", "conditions"} {
			if _, ok := r[key]; !ok || len(r) != 6 {
				t.Errorf("a result in JSON has no %s, or has more: %v", key, r)
			}
		}
	}
}

func TestWhatCannotBeMeantIsRefusedBeforeAnythingIsBegun(t *testing.T) {
	for _, tc := range []struct {
		change func(*Config)
		suite  string
		want   string
	}{
		{func(*Config) {}, "generat", `there is no suite "generat"; the suites are generate, generate-1, revoke, validate-http, `},
		{func(*Config) {}, memorySuite, "its path is not known"},
		{func(c *Config) { c.Slice = 0 }, "replay", "the least is 10ms"},
		{func(c *Config) { c.Rounds = 0 }, "replay", "the least is 1"},
		{func(c *Config) { c.Tokens = 10 }, "replay", "the least is 1000"},
	} {
		cfg := small(t)
		cfg.Dir = "/nonexistent"
		tc.change(&cfg)
		_, err := Run(t.Context(), cfg, "generate", tc.suite)
		if e, ok := errors.AsType[*ArgumentError](err); !ok || !strings.Contains(e.Problem, tc.want) {
			t.Errorf("got %v; want an argument error with %q", err, tc.want)
		}
	}
}

func TestBreakingOffLeavesNothingBehind(t *testing.T) {
	for _, suite := range Suites() {
		if suite == memorySuite {
			continue // it needs the program: cmd/tokenledger/testdata/script/bench.txtar
		}
		cfg := small(t)
		ctx, cancel := context.WithCancel(t.Context())
		cfg.Progress = func(what string) {
			if strings.Contains(what, "round 1") {
				cancel()
			}
		}
		results, err := Run(ctx, cfg, suite)
		if !errors.Is(err, context.Canceled) || len(results) != 0 {
			t.Errorf("suite %s gave %v, %v", suite, results, err)
		}
		empty(t, cfg.Dir)
	}
}

func TestAnswersOtherThanGoodFailTheMeasurement(t *testing.T) {
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"a rejection", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"active":false,"reason":"revoked"}`))
		}, "revoked"},
		{"an error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "stale", 503) }, "503"},
		{"an answer in chunks", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write([]byte(`{"active":true}`))
		}, "length"},
		{"a connection that is closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"an answer without an end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9000")
			_, _ = w.Write([]byte(strings.Repeat(" ", 9000)))
		}, "8 KiB"},
	} {
		s := httptest.NewServer(tc.handler)
		l := newLoad(s.Listener.Addr().String(), "bearer", &holder{width: 3, text: []byte("onetwo")}, uniformly)
		if _, err := l.run(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s gave the error %v; want one with %q", tc.name, err, tc.want)
		}
		s.Close()
	}
}

func TestAUseThatIsNotOnRecordFailsTheSuite(t *testing.T) {
	cfg := small(t)
	b := &bench{Config: cfg}
	b.Logger = slog.New(slog.DiscardHandler)
	v := &validating{b: b}
	var cs Conditions
	if err := v.prepare(t.Context(), cfg.Dir, &cs); err != nil {
		t.Fatal(err)
	}
	defer v.n.Shutdown()
	v.connect("")
	if err := v.verify(&cs); err != nil {
		t.Errorf("nothing was answered, and that gave %v", err)
	}
	v.uniform.answered[7]++
	if err := v.verify(&cs); err == nil || !strings.Contains(err.Error(), "1 validations were answered, but 0 uses") {
		t.Errorf("an answer that is not on record gave %v", err)
	}
}

func TestTheMedianIsTheMiddle(t *testing.T) {
	for want, of := range map[float64][]float64{0: nil, 1: {1}, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}} {
		if got := median(of); got != want {
			t.Errorf("the median of %v is %v", of, got)
		}
	}
}
