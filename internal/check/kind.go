// SPDX-License-Identifier: MIT OR Apache-2.0

package check

import (
	"debug/elf"
	"fmt"

	"sampan/internal/binary"
)

var kindCheck = Check{
	ID:    "kind",
	Doc:   "The file is a program: not a shared object, an object file or a core dump.",
	Level: Fail,
	Run:   checkKind,
}

// isProgram: old linkers write no PIE flag, but nobody gives a library a loader, except for C libraries themselves.
func isProgram(f binary.Facts) bool {
	return f.Type == elf.ET_EXEC || f.Type == elf.ET_DYN && (f.PIE || f.Interp != "")
}

func checkKind(s Subject) []Finding {
	if isProgram(s.Facts) {
		return nil
	}
	const hint = "pass a program: cargo makes one of each src/main.rs, src/bin/NAME.rs and [[bin]]"
	switch s.Facts.Type {
	case elf.ET_DYN:
		return []Finding{{Message: "the file is a shared object (a library), not a program", Hint: hint}}
	case elf.ET_REL:
		return []Finding{{Message: "the file is an object file, not a linked program", Hint: hint}}
	case elf.ET_CORE:
		return []Finding{{Message: "the file is a core dump, not a program", Hint: hint}}
	}
	return []Finding{{Message: fmt.Sprintf("the file is no program (its type is %s)", s.Facts.Type), Hint: hint}}
}
