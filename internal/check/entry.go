// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import "fmt"

var entryCheck = Check{
	ID:    "entry",
	Doc:   "The program has an entry point, and it lies in code that is in the file.",
	Level: Fail,
	Run:   checkEntry,
}

func checkEntry(s Subject) []Finding {
	f := s.Facts
	switch {
	case !isProgram(f) || f.EntryMapped: // of a library, kind speaks
		return nil
	case f.Entry == 0:
		return []Finding{{
			Message: "the program has no entry point",
			Hint:    "link it with the start files: remove -nostartfiles and -nostdlib from RUSTFLAGS and .cargo/config.toml",
		}}
	case f.HasDebug || f.HasSymtab:
		return []Finding{{
			Message: "the file has debug information only, not the code that it belongs to",
			Hint:    "pass the program itself, not its .debug file",
		}}
	}
	return []Finding{{
		Message: fmt.Sprintf("the program has its entry point (%#x) outside of its code", f.Entry),
		Hint:    "compile it or copy it again; the file is damaged",
	}}
}
