// SPDX-License-Identifier: MIT OR Apache-2.0

// Command gen writes docs/reference from the table of options.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sampan/internal/cli"
)

func main() {
	for name, page := range cli.Reference() {
		if err := os.WriteFile(filepath.Join("..", "..", "docs", "reference", name), []byte(page), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
