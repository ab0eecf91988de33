// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where everyone may write, another user could lay a linker before us.
func TestCacheIsNeverShared(t *testing.T) {
	for _, env := range [][]string{{}, {"HOME="}, {"HOME=", "SAMPAN_CACHE_DIR="}} {
		if got := (&app{env: env}).cacheDir(); strings.HasPrefix(got, filepath.Clean(os.TempDir())+string(filepath.Separator)) {
			t.Errorf("%q: the cache is %s", env, got)
		}
	}
	home := filepath.Join(t.TempDir(), "home")
	if got := (&app{env: []string{"HOME=" + home}}).cacheDir(); !strings.HasPrefix(got, home) {
		t.Errorf("with a home the cache is %s", got)
	}
}

// TestNoKubectl: it is missed before anything is built.
func TestNoKubectl(t *testing.T) {
	a := &app{env: []string{"PATH=" + t.TempDir()}}
	err := a.kubectlThere()
	if h, ok := errors.AsType[*placeError](err); !ok || !strings.Contains(h.Hint(), "sampan resolve") {
		t.Errorf("error %v", err)
	}
}
