// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	h := &Health{Command: []string{"/a", "b c"}, Interval: 30 * time.Second, Retries: 3}
	if err := checkHealth(Settings{Health: h}, Image{}); err != nil {
		t.Error(err)
	}
	if got, err := json.Marshal(h.Docker()); err != nil || string(got) != `{"Test":["CMD","/a","b c"],"Interval":30000000000,"Retries":3}` {
		t.Errorf("%s, %v", got, err)
	}
	if (*Health)(nil).Docker() != nil || checkHealth(Settings{}, Image{}) != nil {
		t.Error("no healthcheck is one")
	}
	for want, h := range map[string]*Health{
		"no command":       {Interval: time.Second},
		"absolute path":    {Command: []string{"a"}},
		"NUL":              {Command: []string{"/a\x00"}},
		"interval: Docker": {Command: []string{"/a"}, Interval: time.Microsecond},
		"timeout: Docker":  {Command: []string{"/a"}, Timeout: -1},
		"retries: -1":      {Command: []string{"/a"}, Retries: -1},
	} {
		if err := checkHealth(Settings{Health: h}, Image{}); err == nil || !strings.Contains(err.Error(), want) || err.Hint() == "" {
			t.Errorf("%+v: %v, want %q", h, err, want)
		}
	}
}
