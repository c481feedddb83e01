//go:build !unix

package usage

import "time"

// processCPU is not known here: publishing takes the process for idle.
func processCPU() time.Duration { return 0 }
