package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Condition is something to know beside a figure.
type Condition struct {
	Name string
	// Value is a string, a bool or a number.
	Value any
}

// Conditions are in the order in which people should read them. In JSON they are one
// object.
type Conditions []Condition

// MarshalJSON implements [json.Marshaler]. It keeps the order.
func (cs Conditions) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range cs {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(c.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(c.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Get gives the value of the condition with this name, nil if there is none.
func (cs Conditions) Get(name string) any {
	for _, c := range cs {
		if c.Name == name {
			return c.Value
		}
	}
	return nil
}

func (cs *Conditions) add(name string, value any) {
	if f, ok := value.(float64); ok {
		value = round(f, 3)
	}
	*cs = append(*cs, Condition{name, value})
}

// round keeps so many digits behind the point.
func round(f float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(f*scale) / scale
}

// machine is what holds for every suite of a run.
func (b *bench) machine(dir string) (cs Conditions) {
	cs.add("cores", runtime.GOMAXPROCS(0))
	cs.add("platform", runtime.GOOS+"/"+runtime.GOARCH)
	cs.add("go", runtime.Version())
	cs.add("version", b.Version)
	if fs := fileSystem(dir); fs != "" {
		cs.add("file_system", fs)
	}
	cs.add("stream_durability", "SyncAlways: synced before each acknowledgement")
	cs.add("usage_durability", "journal: written before each answer, synced about once a second")
	cs.add("read_model_durability", "not synced at commit; synced about once a second")
	return cs
}

// fileSystem names the type of the file system that dir lies on, where the system
// tells (Linux: proc_pid_mounts(5)); "tmpfs" means that syncing costs nothing.
func fileSystem(dir string) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}
	longest, kind := -1, ""
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		at := strings.TrimSuffix(f[1], "/")
		if (dir == at || strings.HasPrefix(dir, at+"/")) && len(at) >= longest {
			longest, kind = len(at), f[2]
		}
	}
	return kind
}

// What the system tells of a process's memory (Linux: proc_pid_status(5)).
const (
	residentNow  = "VmRSS:"
	residentMost = "VmHWM:"
)

// memoryOf gives a figure of a process's memory, in 10^6 bytes.
func memoryOf(pid int, field string) (mb float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of a process: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, field); found {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return math.Round(kib * 1024 / 1e6), err
		}
	}
	return 0, fmt.Errorf("read the memory of process %d: the system does not tell %s", pid, field)
}

// addResident adds this process's resident memory, where the system tells.
func (cs *Conditions) addResident(name string) {
	if mb, err := memoryOf(os.Getpid(), residentNow); err == nil {
		cs.add(name, mb)
	}
}
