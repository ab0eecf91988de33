// SPDX-License-Identifier: MIT OR Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sampan/internal/rootfs"
)

// maxLabel bounds one label or annotation: registries refuse manifests above 4 MiB, and a megabyte here is a mistake.
const maxLabel = 64 << 10

// validate checks one image's settings against what OCI and Linux allow. It is told settled values only.
func validate(s Settings, im Image) *SettingError {
	checks := []func(Settings, Image) *SettingError{
		checkNames, checkProcess, checkEnv, checkPorts, checkFolders, checkStrings, checkCompression, checkFiles, checkCapabilities, checkHealth,
	}
	for _, c := range checks {
		if err := c(s, im); err != nil {
			return err
		}
	}
	return nil
}

func checkNames(s Settings, im Image) *SettingError {
	if len(im.Name) > 200 || !isName(im.Name) {
		return &SettingError{Key: "name", Reason: fmt.Sprintf("%q is not a repository name", im.Name),
			Advice: "lower-case letters, digits, and single . _ - / between them, such as team/api"}
	}
	for _, t := range im.Tags {
		if !isTag(t) {
			return &SettingError{Key: "tags", Reason: fmt.Sprintf("%q is not a tag", t),
				Advice: "letters, digits, and . _ - after the first, 128 at most, such as v1.2"}
		}
	}
	return nil
}

func checkProcess(s Settings, im Image) *SettingError {
	if !cleanAbsolute(s.Workdir) {
		return &SettingError{Key: "workdir", Reason: fmt.Sprintf("%q is not a clean absolute path", s.Workdir), Advice: "such as /data"}
	}
	for _, words := range []struct {
		key  string
		list []string
	}{{"entrypoint", s.Entrypoint}, {"args", s.Args}} {
		for _, w := range words.list {
			if bad(w) {
				return &SettingError{Key: words.key, Reason: fmt.Sprintf("%q holds a NUL or is not UTF-8", w), Advice: "take it out"}
			}
		}
	}
	if len(s.Entrypoint) > 0 && !strings.HasPrefix(s.Entrypoint[0], "/") {
		return &SettingError{Key: "entrypoint", Reason: fmt.Sprintf("%q is not an absolute path", s.Entrypoint[0]),
			Advice: fmt.Sprintf("there is no shell and no PATH in the image; write [\"/%s\", …]", strings.TrimPrefix(s.Entrypoint[0], "./"))}
	}
	if s.StopSignal != "" && !signal(s.StopSignal) {
		return &SettingError{Key: "stop-signal", Reason: fmt.Sprintf("%q is not a signal", s.StopSignal), Advice: "such as SIGTERM, SIGINT or 15"}
	}
	return nil
}

func checkEnv(s Settings, _ Image) *SettingError {
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		if k == "" || strings.ContainsAny(k, "=\n\r") || bad(k) {
			return &SettingError{Key: "env", Reason: fmt.Sprintf("%q is not a name of an environment variable", k), Advice: `NAME = "value"`}
		}
		if bad(s.Env[k]) {
			return &SettingError{Key: "env", Reason: fmt.Sprintf("the value of %s holds a NUL or is not UTF-8", k), Advice: "take it out"}
		}
	}
	return nil
}

func checkPorts(s Settings, _ Image) *SettingError {
	for _, p := range s.Ports {
		number, proto, ok := strings.Cut(p, "/")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 65535 || (ok && proto != "tcp" && proto != "udp" && proto != "sctp") {
			return &SettingError{Key: "ports", Reason: fmt.Sprintf("%q is not a port", p), Advice: "1 to 65535, such as 8080 or 53/udp"}
		}
	}
	return nil
}

func checkFolders(s Settings, _ Image) *SettingError {
	for _, v := range s.Volumes {
		if !cleanAbsolute(v) || v == "/" {
			return &SettingError{Key: "volumes", Reason: fmt.Sprintf("%q is not a clean absolute path", v), Advice: "such as /data"}
		}
	}
	return nil
}

func checkCapabilities(s Settings, _ Image) *SettingError {
	if _, unknown := rootfs.LookupCaps(s.Capabilities); unknown != "" {
		advice := Nearest(rootfs.CapabilityWord(unknown), rootfs.CapabilityNames())
		if advice == "" {
			advice = "man 7 capabilities, which lists them"
		}
		return &SettingError{Key: "capabilities", Reason: fmt.Sprintf("Linux has no capability %q", unknown), Advice: advice}
	}
	return nil
}

func checkStrings(s Settings, im Image) *SettingError {
	for _, table := range []struct {
		key  string
		list map[string]string
	}{{"labels", im.Config.Labels}, {"annotations", s.Annotations}} {
		m := table.list
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if k == "" || bad(k) || strings.ContainsFunc(k, unicode.IsControl) {
				return &SettingError{Key: table.key, Reason: fmt.Sprintf("%q is not a key", k), Advice: "such as com.example.team"}
			}
			if bad(m[k]) || len(m[k]) > maxLabel {
				return &SettingError{Key: table.key, Reason: fmt.Sprintf("the value of %s is longer than 64 KiB, holds a NUL, or is not UTF-8", k),
					Advice: "put large content into a file of the image: files"}
			}
		}
	}
	return nil
}

func checkCompression(s Settings, _ Image) *SettingError {
	if _, _, err := Compression(s.Compression); err != nil {
		return &SettingError{Key: "compression", Reason: err.Error(), Advice: "gzip, gzip:1 to gzip:9, zstd, zstd:1 to zstd:22, or none"}
	}
	return nil
}

func checkFiles(s Settings, im Image) *SettingError {
	for _, f := range s.Files {
		dst := strings.TrimSuffix(f.Destination, "/")
		if f.Source == "" || f.Destination == "" {
			return &SettingError{Key: "files", Reason: "a row needs a source and a destination", Advice: `{ source = "assets/**", destination = "/srv/" }`}
		}
		if dst != "" && !cleanAbsolute(dst) {
			return &SettingError{Key: "files", Reason: fmt.Sprintf("destination %q is not a clean absolute path", f.Destination), Advice: "such as /srv/ for a folder"}
		}
	}
	return nil
}

// Compression reads "gzip", "zstd", either with ":LEVEL", or "none".
func Compression(s string) (algorithm string, level int, err error) {
	algorithm, l, has := strings.Cut(s, ":")
	switch {
	case algorithm == "none" && !has:
		return algorithm, 0, nil
	case algorithm == "gzip" && !has:
		return algorithm, 6, nil
	case algorithm == "zstd" && !has:
		return algorithm, 7, nil
	case algorithm == "gzip" || algorithm == "zstd":
		most := map[string]int{"gzip": 9, "zstd": 22}[algorithm]
		if level, err = strconv.Atoi(l); err == nil && level >= 1 && level <= most {
			return algorithm, level, nil
		}
	}
	return "", 0, fmt.Errorf("%q is not a compression", s)
}

func cleanAbsolute(p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p && !bad(p) && !strings.ContainsAny(p, "\n\r")
}

func bad(s string) bool { return strings.ContainsRune(s, 0) || !utf8.ValidString(s) }

// signal accepts what engines accept: a number from 1 to 64, or a name with or without SIG.
func signal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n >= 1 && n <= 64
	}
	return slices.Contains(signals, strings.TrimPrefix(strings.ToUpper(s), "SIG"))
}

var signals = []string{"HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
	"CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
	"RTMIN", "RTMIN+1", "RTMIN+2", "RTMIN+3", "RTMIN+4", "RTMAX"}
