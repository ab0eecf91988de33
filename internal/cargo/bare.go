// SPDX-License-Identifier: MIT OR Apache-2.0

package cargo

import (
	"context"

	"sampan/internal/run"
)

// LoadToolchain describes the toolchain and the configuration that a build in o.Dir would use, where there need be no
// package: a Workspace without packages, root or lock file. It keeps its answer as Load does.
//
// Errors: *MissingToolError, *ToolchainError, *ConfigError.
func LoadToolchain(ctx context.Context, r run.Runner, o LoadOptions) (*Workspace, error) {
	l, err := newLoader(r, o)
	if err != nil {
		return nil, err
	}
	if _, err := run.LookPath(l.Cargo[0], l.env); err != nil {
		return nil, &MissingToolError{Tool: l.Cargo[0]}
	}
	ws := &Workspace{}
	if ws.Toolchain, err = l.toolchain(ctx); err != nil {
		return nil, err
	}
	ws.load = loaded{LoadOptions: l.LoadOptions, toolSum: l.toolSum, configSum: l.configSum, fileSum: l.tools.sum()}
	ws.Config = l.config
	ws.settleTargets()
	return ws, nil
}
