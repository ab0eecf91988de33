// SPDX-License-Identifier: MIT OR Apache-2.0

//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The pieces of work that need no network.

func workHyperfine(j *job) error {
	if err := j.give(); err != nil {
		return err
	}
	_, err := j.must(words{args: []string{"-N", "--warmup", "1", "--runs", "3", "--export-json", "/w/times.json", j.box.prefix() + j.exe + " --version"}})
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(j.dir, "times.json"))
	if err != nil {
		return err
	}
	var times struct{ Results []struct{ Times []float64 } }
	if err := json.Unmarshal(data, &times); err != nil {
		return err
	}
	if len(times.Results) != 1 || len(times.Results[0].Times) != 3 {
		return fmt.Errorf("read times.json: not 3 times of one command: %s", data)
	}
	return nil
}

const justfile = `
hash := sha256("boat")

# Build the boat
build plank="oak":
    saw {{plank}}

sail: build
    go
`

func workJust(j *job) error {
	if err := j.files("justfile", justfile); err != nil {
		return err
	}
	if err := j.finds("build plank=\"oak\" # Build the boat", "--justfile", "/w/justfile", "--color", "never", "--list"); err != nil {
		return err
	}
	// sha256 of "boat"
	return j.finds("25cdb46d8d2115a24eb15c3c58f34f3330cfca4fec249ff70b7cad2bb560a0dd", "--justfile", "/w/justfile", "--evaluate", "hash")
}

// tree writes some files to look through.
func (j *job) tree() error {
	return j.files("tree/a/boat.txt", "first line\nneedle 42 here\n", "tree/b/car.txt", "nothing\n", "tree/b/hay.rs", "fn main() {}\n")
}

func workFd(j *job) error {
	if err := j.tree(); err != nil {
		return err
	}
	return j.finds("/w/tree/a/boat.txt\n", "--type", "f", "^bo.t", "/w/tree")
}

func workRipgrep(j *job) error {
	if err := j.tree(); err != nil {
		return err
	}
	return j.finds("/w/tree/a/boat.txt:2:needle 42 here\n", "--line-number", "--no-heading", `needle \d+`, "/w/tree")
}

func workRipgrepPCRE2(j *job) error {
	if err := j.tree(); err != nil {
		return err
	}
	if err := j.finds("boat.txt:42\n", "--pcre2", "--only-matching", "--no-heading", `(?<=needle )\d+`, "/w/tree"); err != nil {
		return err
	}
	return j.finds("PCRE2", "--pcre2-version")
}

func workBat(j *job) error {
	if err := j.files("main.rs", "fn main() {\n    println!(\"boats\");\n}\n"); err != nil {
		return err
	}
	a, err := j.must(words{args: []string{"--color", "always", "--paging", "never", "--style", "plain", "/w/main.rs"}})
	if err != nil {
		return err
	}
	if !strings.Contains(a.stdout, "\x1b[38;") || !strings.Contains(a.stdout, "boats") {
		return fmt.Errorf("colour main.rs: no colours in %q", a.stdout)
	}
	return nil
}

func workOnefetch(j *job) error {
	if err := j.write("repo/src/main.rs", strings.Repeat("fn boat() -> u32 { 42 }\n", 20)); err != nil {
		return err
	}
	repo := filepath.Join(j.dir, "repo")
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "A boat"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = repo
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	if err := j.give(); err != nil {
		return err
	}
	a, err := j.must(words{args: []string{"--output", "json", "/w/repo"}})
	if err != nil {
		return err
	}
	if !json.Valid([]byte(a.stdout)) || !strings.Contains(a.stdout, `"Rust"`) || !strings.Contains(a.stdout, `"Ada"`) {
		return fmt.Errorf("describe the repository: no Rust or no Ada in %s", lastLines(a.stdout, 5))
	}
	return nil
}

func workDiesel(j *job) error {
	err := j.files("diesel.toml", "",
		"migrations/2026-01-01-000000_boats/up.sql", "CREATE TABLE boats (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);\nINSERT INTO boats VALUES (1, 'sampan');\n",
		"migrations/2026-01-01-000000_boats/down.sql", "DROP TABLE boats;\n")
	if err != nil {
		return err
	}
	if _, err := j.must(words{args: []string{"migration", "run", "--database-url", "/w/boats.db", "--migration-dir", "/w/migrations"}}); err != nil {
		return err
	}
	if err := j.finds("boats (id) {", "print-schema", "--database-url", "/w/boats.db"); err != nil {
		return err
	}
	head, err := os.ReadFile(filepath.Join(j.dir, "boats.db"))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(head), "SQLite format 3\x00") || !strings.Contains(string(head), "sampan") {
		return errors.New("read boats.db: not SQLite's, or without its row")
	}
	return j.refused("postgres://app:secret@127.0.0.1:1/boats", "connection")
}

func workDieselMySQL(j *job) error {
	if err := workDiesel(j); err != nil {
		return err
	}
	return j.refused("mysql://app:secret@127.0.0.1:1/boats", "connect")
}

// refused sees that the client library for a database runs: nobody listens, and it says so.
func (j *job) refused(database, text string) error {
	a, err := j.run(words{args: []string{"print-schema", "--database-url", database}})
	if err != nil {
		return err
	}
	if a.code == 0 || a.code > 125 || !strings.Contains(strings.ToLower(a.all()), text) {
		return fmt.Errorf("connect to nobody as %s: exit code %d: %s", strings.SplitN(database, ":", 2)[0], a.code, lastLines(a.all(), 3))
	}
	return nil
}

func workAtuin(j *job) error {
	if err := j.files(".bash_history", "ls -l\ncargo build --boats\ngit status\n"); err != nil {
		return err
	}
	env := []string{"HOME=/w", "USER=app", "SHELL=/bin/bash", "HISTFILE=/w/.bash_history", "ATUIN_SESSION=0190b1f4a5c67d8e9f00112233445566"}
	if _, err := j.must(words{args: []string{"import", "bash"}, env: env}); err != nil {
		return err
	}
	a, err := j.must(words{args: []string{"search", "--cmd-only", "boats"}, env: env})
	if err != nil {
		return err
	}
	if strings.TrimSpace(a.stdout) != "cargo build --boats" {
		return fmt.Errorf("search: %q", lastLines(a.all(), 3))
	}
	return nil
}

const lockFile = `version = 3

[[package]]
name = "boat"
version = "0.1.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "0000000000000000000000000000000000000000000000000000000000000000"
`

const advisory = "```toml\n" + `[advisory]
id = "RUSTSEC-2026-0001"
package = "boat"
date = "2026-01-01"

[versions]
patched = [">= 0.2.0"]
` + "```\n\n# The boat leaks\n\nWater comes in.\n"

func workAudit(j *job) error {
	if err := j.files("Cargo.lock", lockFile, "db/crates/boat/RUSTSEC-2026-0001.md", advisory, "db/rust/README.md", ""); err != nil {
		return err
	}
	a, err := j.run(words{args: []string{"audit", "--no-fetch", "--no-yanked", "--db", "/w/db", "--file", "/w/Cargo.lock"}, env: []string{"HOME=/w"}})
	if err != nil {
		return err
	}
	if a.code != 1 || !strings.Contains(a.all(), "RUSTSEC-2026-0001") || !strings.Contains(a.all(), "The boat leaks") {
		return fmt.Errorf("audit Cargo.lock: exit code %d: %s", a.code, lastLines(a.all(), 5))
	}
	return nil
}
