// SPDX-License-Identifier: MIT OR Apache-2.0

package cli

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sampan/internal/sandbox"
)

var update = flag.Bool("update", false, "renew the golden text of scripts")

// TestMain registers the tool, and a cargo, a rustc and a rustup that only look like it, as commands of the scripts.
func TestMain(m *testing.M) {
	if handled, code := sandbox.Main(os.Args); handled {
		os.Exit(code)
	}
	if strings.HasSuffix(filepath.Dir(os.Args[0]), "-musl") {
		os.Exit(Main(context.Background(), os.Args, os.Environ()))
	}
	testscript.Main(m, map[string]func(){
		"sampan":       sampanCommand,
		"cargo-sampan": sampanCommand,
		"cargo":        fakeCargo,
		"rustc":        fakeRustc,
		"rustup":       fakeRustup,
		"elf":          elfCommand,
		"podman":       fakePodman,
		"kubectl":      fakeKubectl,

		"docker-credential-fake": fakeHelper,
		"hurt":                   hurtCommand,
	})
}

func sampanCommand() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(Main(ctx, os.Args, os.Environ()))
}

// TestScripts runs testdata/script: <verb>_<thing>.txtar, the tool against a fake cargo. The first word is the verb.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("SAMPAN_CACHE_DIR", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Setenv("FAKE", filepath.Join(e.WorkDir, "fake"))
			e.Setenv("RUSTUP_HOME", filepath.Join(e.WorkDir, "rustup"))
			e.Setenv("CARGO_HOME", filepath.Join(e.WorkDir, "cargo"))
			e.Setenv("CI", "")
			e.Setenv("TOOLS", filepath.SplitList(os.Getenv("PATH"))[0]) // where the fakes are, and nothing else
			e.Setenv("CARGO", "")
			e.Setenv("DOCKER_HOST", "unix://"+filepath.Join(e.WorkDir, "no-engine.sock"))
			for _, t := range []string{"x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"} {
				if err := fakeStd(filepath.Join(e.WorkDir, "rustup", "toolchains", "stable"), t); err != nil {
					return err
				}
			}
			for _, name := range []string{"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "GITHUB_TOKEN", "HTTP_PROXY", "HTTPS_PROXY"} {
				e.Setenv(name, "")
			}
			e.Setenv("GORACE", "atexit_sleep_ms=10") // a second for every process otherwise
			newHarbour(e)
			return os.MkdirAll(filepath.Join(e.WorkDir, "fake"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":        codeCommand,
			"layout":      layoutCommand,
			"base":        fakeBaseCommand,
			"damage":      damageCommand,
			"harbourbase": harbourBaseCommand,
			"calls":       callsCommand,

			"guard":    guardCommand,
			"fault":    faultCommand,
			"logins":   loginsCommand,
			"pushed":   pushedCommand,
			"recipe":   recipeCommand,
			"requests": requestsCommand,
		},
	})
}
