// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sampan/internal/run"
)

// compileJob is one call of the driver cc or c++ with a compiler behind it.
type compileJob struct {
	settings settings
	machine  machine
	call     Call
	plus     bool // C++

	args     []string // with the words of response files in their place
	response bool     // there were any: the line is a long one
}

// run does what the command line asks for.
func (j *compileJob) run(ctx context.Context) (int, error) {
	args, response, err := expand(j.call.Args, os.ReadFile)
	if err != nil {
		return 0, err
	}
	j.args, j.response = args, response != ""
	line := readLine(args)
	if err := j.ensureCXX(ctx, line); err != nil {
		return 0, err
	}
	switch {
	case line.stops || line.asks || len(line.inputs) == 0:
		return j.compile(ctx, args)
	case len(line.sources) > 0:
		return j.compileAndLink(ctx, line)
	}
	return j.link(ctx, args)
}

// ccLine is what a command line of cc is about.
type ccLine struct {
	args    []string
	stops   bool // before linking: -c, -E, …
	asks    bool // about the compiler
	inputs  []int
	sources []source
}

// source is an input that has to be compiled.
type source struct {
	at       int    // in args
	language string // that -x gave it; "" for that of its name
}

// stopWords end the work before a link.
var stopWords = []string{"-c", "-S", "-E", "-M", "-MM", "-fsyntax-only", "--precompile", "-emit-ast", "-emit-pch", "--analyze", "-###", "--preprocess", "--assemble", "--compile"}

// languages are the endings of names of sources.
var languages = []string{".c", ".i", ".h", ".cc", ".cp", ".cpp", ".cxx", ".c++", ".C", ".CC", ".CPP", ".ii", ".hpp", ".hh", ".m", ".mi", ".mm", ".mii", ".s", ".S", ".sx", ".asm", ".ll", ".bc"}

// readLine finds the inputs of a command line.
func readLine(args []string) ccLine {
	l := ccLine{args: args}
	language := ""
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-x" && i+1 < len(args):
			i++
			language = strings.TrimPrefix(args[i], "none")
		case strings.HasPrefix(a, "-x") && len(a) > 2:
			language = strings.TrimPrefix(a[2:], "none")
		case slices.Contains(stopWords, a):
			l.stops = true
		case isQuery(a) || a == "-v" && len(args) == 1:
			l.asks = true
		case takesValue(a):
			i++
		case a == "-" || !strings.HasPrefix(a, "-"):
			l.inputs = append(l.inputs, i)
			if language != "" || slices.Contains(languages, path.Ext(filepath.ToSlash(a))) {
				l.sources = append(l.sources, source{i, language})
			}
		}
	}
	return l
}

// takesValue reports whether the argument after a belongs to it.
func takesValue(a string) bool {
	return a == "-Xlinker" || slices.Contains(linkerTakesValue, a) && a != "-mllvm" && a != "-h" && a != "-y" ||
		slices.Contains(compilerTakesValue, a) || slices.Contains(moreTakesValue, a)
}

// moreTakesValue are those that only a compiler knows.
var moreTakesValue = []string{"-mllvm", "-MJ", "-include-pch", "-isystem-after", "-iframework", "-ivfsoverlay", "-cxx-isystem", "-Xarch_host", "--sysroot",
	"--include-directory", "--define-macro", "--undefine-macro", "-dumpbase", "-dumpdir", "-aux-info", "-serialize-diagnostics", "--serialize-diagnostics", "-ccc-gcc-name", "-Xopenmp-target", "--output"}

// compile runs the compiler with its own command line translated.
func (j *compileJob) compile(ctx context.Context, args []string) (int, error) {
	tool := j.settings.CC
	if j.plus {
		tool = j.settings.CXX
	}
	if j.settings.Thin {
		args = thinLevels(args, j.call.Env)
	}
	words := slices.Concat(j.prefix(args), translate(j.settings, args), j.suffix(args))
	if j.response {
		file, err := os.CreateTemp("", "sampan-*.rsp")
		if err != nil {
			return 0, err
		}
		file.Close()
		defer os.Remove(file.Name())
		if words, err = writeResponse(file.Name(), words, 0); err != nil {
			return 0, err
		}
	}
	return 0, j.call.Runner.Run(ctx, run.Cmd{Path: tool[0], Args: slices.Concat(tool[1:], words), Env: compileEnv(j.settings, j.call.Env),
		Stdin: j.call.Stdin, Stdout: j.call.Stdout, Stderr: j.call.Stderr, Foreground: true})
}

// prefix are our words before the caller's, who may say otherwise.
func (j *compileJob) prefix(args []string) []string {
	s := j.settings
	words := []string{"-fPIC", "-ffunction-sections", "-fdata-sections"}
	if s.Thin && !j.plus && !hasCXX(args) {
		words = append(words, thinC...)
	}
	if !s.Clang {
		return words
	}
	// -Qunused-arguments: gcc says nothing of options for a link that does not take place, and crates use -Werror.
	words = append([]string{"--no-default-config", "--target=" + clangTriple(s.triple), "-Qunused-arguments"}, words...)
	return append(words, ctargetOf(s.triple).flags...)
}

// suffix are our words after the caller's, who may not.
func (j *compileJob) suffix(args []string) []string {
	s := j.settings
	words := []string{"-fno-ident"}
	if s.Clang {
		words = append(words, "-fno-sanitize=all")
		if !slices.ContainsFunc(args, func(a string) bool { return foreign(s, a) }) {
			words = append(words, s.includes(args, j.plus || hasCXX(args))...)
			if strings.HasPrefix(string(s.triple), "aarch64") {
				words = append(words, "-mno-outline-atomics") // their helpers ask the kernel for the CPU's features at start
			}
		}
	}
	return append(words, prefixMaps(s, j.call.Env)...)
}

// includes are the folders of headers. They come last, as a compiler's own do.
func (s settings) includes(args []string, plus bool) []string {
	if slices.Contains(args, "-nostdinc") {
		return nil
	}
	// Without a libc's headers there are still the compiler's own: ring includes <stddef.h> of them.
	bare := slices.Contains(args, "-nostdlibinc")
	switch {
	case s.Lib == "" && bare:
		return nil
	case bare:
		return []string{"-nostdinc", "-isystem", filepath.Join(s.Lib, "include")}
	case s.Lib == "":
		words := []string{"-nostdlibinc"}
		for _, dir := range s.Headers {
			words = append(words, "-isystem", dir)
		}
		return words
	}
	words := []string{"-nostdinc"}
	if plus && !slices.Contains(args, "-nostdinc++") {
		words = append(words, libcxxDefines...)
		words = append(words, "-isystem", filepath.Join(s.Lib, "libcxx", "include"), "-isystem", filepath.Join(s.Lib, "libcxxabi", "include"))
	}
	words = append(words, "-isystem", filepath.Join(s.Lib, "include"))
	for _, dir := range zigHeaders(s.Lib, s.triple) {
		words = append(words, "-isystem", dir)
	}
	return words
}

// hasCXX reports whether a C compiler is given C++, which it takes by the name of the file.
func hasCXX(args []string) bool {
	for _, src := range readLine(args).sources {
		switch ext := path.Ext(filepath.ToSlash(args[src.at])); {
		case strings.HasPrefix(src.language, "c++"), strings.HasPrefix(src.language, "objective-c++"):
			return true
		case src.language == "" && slices.Contains([]string{".cc", ".cp", ".cpp", ".cxx", ".c++", ".C", ".CC", ".CPP", ".ii", ".hpp", ".hh", ".mm", ".mii"}, ext):
			return true
		}
	}
	return false
}

// foreign reports whether an argument turns the compiler to another target than ours.
func foreign(s settings, a string) bool {
	given, ok := strings.CutPrefix(a, "--target=")
	return ok && !sameTarget(s.triple, given)
}
