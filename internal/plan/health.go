// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Health is how an engine asks whether the program is well. A zero duration or count is the engine's own.
type Health struct {
	Command     []string      `json:"command"`            // started beside the program, in its container; exit code 0 is well
	Interval    time.Duration `json:"interval,omitempty"` // these three in nanoseconds
	Timeout     time.Duration `json:"timeout,omitempty"`
	StartPeriod time.Duration `json:"start-period,omitempty"`

	StartInterval time.Duration `json:"start-interval,omitempty"` // within StartPeriod, in nanoseconds; Docker 25 and later
	Retries       int           `json:"retries,omitempty"`
}

// Docker is Health in Docker's format (Docker Image Specification v1.2, "Healthcheck"): the words as they are, since
// the image has no shell that could part them. StartInterval is not in it: the library has no field for it, and
// image.Spec has one.
func (h *Health) Docker() *v1.HealthConfig {
	if h == nil {
		return nil
	}
	return &v1.HealthConfig{Test: append([]string{"CMD"}, h.Command...), Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
}

func checkHealth(s Settings, _ Image) *SettingError {
	h := s.Health
	if h == nil {
		return nil
	}
	wrong := func(advice, reason string, args ...any) *SettingError {
		return &SettingError{Key: "healthcheck", Reason: fmt.Sprintf(reason, args...), Advice: advice}
	}
	if len(h.Command) == 0 {
		return wrong(`healthcheck = { command = ["/server", "--check"] }`, "no command is named")
	}
	for _, w := range h.Command {
		if bad(w) {
			return wrong("take it out", "%q holds a NUL or is not UTF-8", w)
		}
	}
	if !strings.HasPrefix(h.Command[0], "/") {
		return wrong(fmt.Sprintf("there is no shell and no PATH in the image; command = [\"/%s\", …]", strings.TrimPrefix(h.Command[0], "./")), "%q is not an absolute path", h.Command[0])
	}
	for name, d := range map[string]time.Duration{"interval": h.Interval, "timeout": h.Timeout, "start-period": h.StartPeriod, "start-interval": h.StartInterval} {
		if d < 0 || d > 0 && d < time.Millisecond {
			return wrong("such as 30s", "%s: Docker takes nothing below a millisecond", name)
		}
	}
	if h.Retries < 0 {
		return wrong("such as 3", "retries: %d is below nothing", h.Retries)
	}
	return nil
}
