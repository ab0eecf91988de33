// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"sampan/internal/durable"
	"sampan/internal/run"
)

// zigHome is a zig that can be used.
type zigHome struct {
	exe, lib string
	version  string
}

// ensureZig finds the pinned zig in PATH or in our cache, or fetches it into the cache.
func ensureZig(ctx context.Context, o CompilerOptions) (zigHome, error) {
	if z, ok := zigInPath(ctx, o); ok {
		return z, nil
	}
	w, ok := wheelFor(runtime.GOOS, runtime.GOARCH)
	if !ok {
		return zigHome{}, &CompilerError{Reason: NoWheel, Triple: o.Triple, Detail: runtime.GOOS + "/" + runtime.GOARCH}
	}
	dir := zigDir(o.CacheDir)
	z := zigHome{exe: filepath.Join(dir, "zig"+exeSuffix), lib: filepath.Join(dir, "lib"), version: ZigVersion}
	if intact(dir) {
		return z, nil
	}
	if !o.Install && !exists(dir) {
		return zigHome{}, &CompilerError{Reason: NotAllowed, Triple: o.Triple}
	}
	parent := filepath.Dir(dir)
	if err := durable.MkdirAll(parent); err != nil {
		return zigHome{}, err
	}
	unlock, err := durable.Lock(ctx, filepath.Join(parent, "lock"))
	if err != nil {
		return zigHome{}, err
	}
	defer unlock()
	sweepZig(parent)
	// Another process may have brought it while we waited. Where only times changed, as in a restored cache, the bytes decide.
	if intact(dir) || restored(dir, w) {
		return z, nil
	}
	if !o.Install {
		return zigHome{}, &CompilerError{Reason: NotAllowed, Triple: o.Triple, Detail: "the one in " + dir + " is damaged"}
	}
	return z, fetchZig(ctx, o, w, dir)
}

// zigDir is where our zig lies: <cache>/zig/<version>-<host>.
func zigDir(cacheDir string) string {
	return filepath.Join(cacheDir, "zig", ZigVersion+"-"+runtime.GOOS+"-"+runtime.GOARCH)
}

// Folders of this kind are of killed processes: whoever makes one holds the lock.
const (
	zigNew = ".new-"
	zigOld = ".old-"
)

// sweepZig removes what killed processes left. Its caller holds the lock.
func sweepZig(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), zigNew) || strings.HasPrefix(e.Name(), zigOld) {
			_ = os.RemoveAll(filepath.Join(parent, e.Name())) // in our way of nothing: tried again at the next time
		}
	}
}

// answer is what a zig in PATH said of itself, valid while its file stays as it is.
type zigAnswer struct {
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	Time    int64  `json:"time"` // of modification, ns since 1970
	Version string `json:"version"`
	Lib     string `json:"lib"`
	SHA256  string `json:"sha256"`
}

// zigInPath is the zig in PATH, when it is of the pinned version. What it says is kept, for it takes a start of a
// program to ask and a reading of 180 MB to know it.
func zigInPath(ctx context.Context, o CompilerOptions) (zigHome, bool) {
	path, err := run.LookPath("zig", o.Env)
	if err != nil {
		return zigHome{}, false
	}
	info, err := os.Stat(path)
	if err != nil {
		return zigHome{}, false
	}
	kept := filepath.Join(o.CacheDir, "zig", "path.json")
	a := zigAnswer{}
	if data, err := os.ReadFile(kept); err != nil || json.Unmarshal(data, &a) != nil || a.Path != path || a.Size != info.Size() || a.Time != info.ModTime().UnixNano() {
		if a, err = askZig(ctx, o, path); err != nil {
			return zigHome{}, false
		}
		a.Path, a.Size, a.Time = path, info.Size(), info.ModTime().UnixNano()
		if data, err := json.Marshal(a); err == nil && durable.MkdirAll(filepath.Dir(kept)) == nil {
			_ = durable.WriteFile(kept, data, 0o644) // else it is asked again
		}
	}
	if a.Version != ZigVersion || !exists(filepath.Join(a.Lib, "libc", "include", "generic-musl")) {
		return zigHome{}, false
	}
	version := a.Version
	if w, ok := wheelFor(runtime.GOOS, runtime.GOARCH); !ok || w.exe != a.SHA256 {
		version += "-" + a.SHA256[:8] // of the same name, and yet another compiler: someone else's build of it
	}
	return zigHome{exe: path, lib: a.Lib, version: version}, true
}

var (
	zigVersionLine = regexp.MustCompile(`(?m)^\s*"?\.?version"?\s*[=:]\s*"([^"]+)"`)
	zigLibLine     = regexp.MustCompile(`(?m)^\s*"?\.?lib_dir"?\s*[=:]\s*("(?:[^"\\]|\\.)*")`)
)

// askZig asks a zig for its version and where its library lies.
func askZig(ctx context.Context, o CompilerOptions, path string) (zigAnswer, error) {
	out, err := run.Output(ctx, o.Runner, run.Cmd{Path: path, Args: []string{"env"}, Env: o.Env})
	if err != nil {
		return zigAnswer{}, err
	}
	version, lib := zigVersionLine.FindSubmatch(out), zigLibLine.FindSubmatch(out)
	if version == nil || lib == nil {
		return zigAnswer{}, errors.New("zig env tells no version")
	}
	dir, err := strconv.Unquote(string(lib[1]))
	if err != nil {
		return zigAnswer{}, err
	}
	a := zigAnswer{Version: string(version[1]), Lib: dir}
	if a.Version != ZigVersion {
		return a, nil // of another version nothing more is asked
	}
	a.SHA256, err = hashFile(path)
	return a, err
}

// hashFile is the SHA-256 of a regular file.
func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, cause(err))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
