// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"sampan/internal/binary"
)

// good is a static program for linux/amd64; change breaks it.
func good(change func(s *Subject)) Subject {
	s := Subject{
		Name:     "web",
		Path:     "target/release/web",
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Facts: binary.Facts{Class: elf.ELFCLASS64, Data: elf.ELFDATA2LSB, Machine: elf.EM_X86_64, Type: elf.ET_DYN, PIE: true,
			Entry: 0x1000, EntryMapped: true, RELRO: true, HasSections: true},
	}
	if change != nil {
		change(&s)
	}
	return s
}

// one row is one case of one check: "" in message means that it passes.
type row struct {
	name    string
	change  func(s *Subject)
	message string
	hint    string // must be in the hint
}

// table runs one check's rows. It fails when the check itself is not in All.
func table(t *testing.T, id string, rows []row) {
	t.Helper()
	var c Check
	for _, a := range All {
		if a.ID == id {
			c = a
		}
	}
	if c.Run == nil || c.Doc == "" || c.Level == Off {
		t.Fatalf("check %s is not in All, or has no doc", id)
	}
	failed, passed := false, false
	for _, r := range rows {
		got := c.Run(good(r.change))
		if r.message == "" {
			passed = true
			if len(got) != 0 {
				t.Errorf("%s: %q", r.name, got[0].Message)
			}
			continue
		}
		failed = true
		if len(got) != 1 || got[0].Message != r.message || !strings.Contains(got[0].Hint, r.hint) || got[0].Hint == "" {
			t.Errorf("%s: got %+v\nwant %s (%s)", r.name, got, r.message, r.hint)
		}
	}
	if !failed || !passed {
		t.Error("a check needs a failing and a passing case")
	}
}

func TestRunOfGoodProgram(t *testing.T) {
	if got := Run(good(nil)); len(got) != 0 {
		t.Error(got)
	}
	if err := Fatal(nil); err != nil {
		t.Error(err)
	}
}

func TestRunStampsFindings(t *testing.T) {
	got := Run(good(func(s *Subject) { s.Facts.ExecStack = true; s.Facts.Needed = []string{"libc.so.6"} }))
	if len(got) != 2 || got[0].ID != "static" || got[0].Level != Fail || got[1].ID != "exec-stack" || got[1].Level != Warn || got[0].Subject != "web" {
		t.Fatalf("%+v", got)
	}
	b, err := json.Marshal(got[1])
	if err != nil || !strings.HasPrefix(string(b), `{"id":"exec-stack","level":"warning","subject":"web","message":"the program asks for`) {
		t.Errorf("%s, %v", b, err)
	}
	err = Fatal(got)
	var e *Error
	if !errors.As(err, &e) || len(e.Findings) != 1 || e.Hint() != got[0].Hint {
		t.Errorf("%v", err)
	}
	if err := Fatal(got[1:]); err != nil {
		t.Errorf("a warning stopped the build: %v", err)
	}
}

func TestErrorReads(t *testing.T) {
	e := &Error{Findings: []Finding{
		{Subject: "web", Message: "the program is not static"},
		{Subject: "web", Message: "the program has no entry point", Hint: "do this"},
		{Subject: "w\x1b", Message: "the file is a core dump", Hint: "do that"},
	}}
	want := `check web: the program is not static; the program has no entry point; "w\x1b": the file is a core dump`
	if e.Error() != want || e.Hint() != "do this" {
		t.Errorf("%s (%s)", e, e.Hint())
	}
}

func TestIDsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All {
		if seen[c.ID] || c.ID != strings.ToLower(c.ID) || !strings.HasSuffix(c.Doc, ".") {
			t.Errorf("check %q", c.ID)
		}
		seen[c.ID] = true
	}
}

func TestLevelString(t *testing.T) {
	if Level(9).String() != "level 9" || Off.String() != "off" || Fail.String() != "error" {
		t.Error(Level(9), Off, Fail)
	}
}
