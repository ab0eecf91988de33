// SPDX-License-Identifier: MIT OR Apache-2.0

package run

import (
	"os"
	"path/filepath"
	"strings"
)

// LookPath finds the file that name starts, in the PATH (and PATHEXT, on Windows) of env. A name with a separator
// is taken as a path. Unlike a shell it never looks in the working directory for an empty or relative element of
// PATH: what is built must not depend on a file that happens to lie there.
func LookPath(name string, env []string) (string, error) {
	exts := extensions(env)
	if filepath.Base(name) != name {
		if p, ok := executable(name, exts); ok {
			return p, nil
		}
		return "", &NotFoundError{Name: name}
	}
	path, _ := lookup(env, "PATH")
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if p, ok := executable(filepath.Join(dir, name), exts); ok {
			return p, nil
		}
	}
	return "", &NotFoundError{Name: name}
}

// executable reports the first of path+ext that is a file one may execute.
func executable(path string, exts []string) (string, bool) {
	for _, ext := range exts {
		info, err := os.Stat(path + ext)
		if err == nil && info.Mode().IsRegular() && mayExecute(path+ext, info) {
			return path + ext, true
		}
	}
	return "", false
}

// lookup returns the last value of key in env, as exec would.
func lookup(env []string, key string) (string, bool) {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && sameKey(k, key) {
			return v, true
		}
	}
	return "", false
}
