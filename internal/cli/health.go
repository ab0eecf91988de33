// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"sampan/internal/output"
	"sampan/internal/plan"
	"sampan/internal/ui"
)

// healthKeys are the keys of the healthcheck table.
var healthKeys = []string{"command", "interval", "timeout", "start-period", "start-interval", "retries"}

// readHealth reads a healthcheck as a Dockerfile's HEALTHCHECK has it: options in front, then the words of the command,
// parted by blanks. "none" is no healthcheck.
func readHealth(text string) (*plan.Health, error) {
	words := strings.Fields(text)
	if len(words) == 0 || len(words) == 1 && strings.EqualFold(words[0], "none") {
		return nil, nil
	}
	h := &plan.Health{}
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		name, val, _ := strings.Cut(words[0][2:], "=")
		if err := setHealth(h, name, val); err != nil {
			return nil, err
		}
		words = words[1:]
	}
	h.Command = words
	return h, nil
}

// setHealth sets one key but command.
func setHealth(h *plan.Health, name, val string) (err error) {
	durations := map[string]*time.Duration{"interval": &h.Interval, "timeout": &h.Timeout, "start-period": &h.StartPeriod,
		"start-interval": &h.StartInterval}
	switch place, ok := durations[name]; {
	case ok:
		if *place, err = time.ParseDuration(val); err != nil {
			return fmt.Errorf("%s: %q is not a duration, such as 30s or 1m30s", name, val)
		}
	case name == "retries":
		if h.Retries, err = strconv.Atoi(val); err != nil {
			return fmt.Errorf("retries: %q is not a number", val)
		}
	default:
		return fmt.Errorf("unknown key %q: %s", name, plan.Nearest(name, healthKeys))
	}
	return nil
}

// decodeHealth reads metadata: a table, or one string as readHealth wants it.
func decodeHealth(raw any) (*plan.Health, error) {
	if s, ok := raw.(string); ok {
		return readHealth(s)
	}
	table, ok := raw.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("wants a table with a command")
	}
	h := &plan.Health{}
	for name, val := range table {
		if name == "command" {
			v, err := decodeList(list, val)
			if err != nil {
				return nil, fmt.Errorf("command: %w", err)
			}
			h.Command = v.list
			continue
		}
		s, err := scalar(val)
		if err == nil {
			err = setHealth(h, name, s)
		}
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// shownHealth is a healthcheck as the metadata would have it.
func shownHealth(h *plan.Health) map[string]any {
	out := map[string]any{}
	if h == nil {
		return out
	}
	out["command"] = h.Command
	for name, d := range map[string]time.Duration{"interval": h.Interval, "timeout": h.Timeout, "start-period": h.StartPeriod, "start-interval": h.StartInterval} {
		if d != 0 {
			out[name] = d.String()
		}
	}
	if h.Retries != 0 {
		out["retries"] = h.Retries
	}
	return out
}

// otherwise is the first output that takes another format than Docker's, "" when all take that.
func (s *session) otherwise() string {
	for _, spec := range s.plan.Outputs {
		if !output.TakesHealthcheck(spec) {
			return spec
		}
	}
	return ""
}

// health puts healthchecks into the configs of images that go to Docker alone, and nowhere else: an image has one digest,
// wherever one call delivers it.
func (s *session) health() {
	if s.otherwise() != "" {
		return
	}
	for i := range s.plan.Images {
		s.plan.Images[i].Config.Healthcheck = s.plan.Images[i].Health.Docker()
	}
}

// tellHealth says of healthchecks that are left out.
func (s *session) tellHealth() {
	for _, im := range s.plan.Images {
		if im.Health != nil && im.Config.Healthcheck == nil {
			s.progress.Handle(ui.Event{Kind: "warning", Image: im.Name, Text: "the healthcheck is left out: " + s.otherwise() + " is an OCI image, whose config has no field for it; " +
				"it is in what goes to -o docker: or -o docker-archive:FILE alone, and in Kubernetes it is a livenessProbe, as sampan init kubernetes writes it"})
		}
	}
}
