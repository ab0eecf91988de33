// SPDX-License-Identifier: MIT OR Apache-2.0

package check

var execStackCheck = Check{
	ID:    "exec-stack",
	Doc:   "The program's stack is not executable.",
	Level: Warn,
	Run: func(s Subject) []Finding {
		if !isProgram(s.Facts) || !s.Facts.ExecStack {
			return nil
		}
		return []Finding{{
			Message: "the program asks for an executable stack, which makes attacks easier and which some systems refuse; an assembly file without a .note.GNU-stack section is the usual cause",
			Hint:    "link it with -z noexecstack: sampan build --config 'build.rustflags=[\"-Clink-arg=-Wl,-z,noexecstack\"]'",
		}}
	},
}
