// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"sampan/internal/cargo"
)

// Env are the variables that tell a build of cargo's to use the compiler for its triple, each way in which build scripts
// ask: the crates cc, cmake and bindgen, and configure scripts through them. No variable without the triple in its name
// is set: those speak of the host's own parts as well. Where env has one of the user's, that one stays and a note says so.
func (c *Compiler) Env(env []string) (vars, notes []string) {
	if c.Kind == KindUser {
		return nil, nil
	}
	u := strings.ReplaceAll(string(c.Triple), "-", "_")
	set := func(key string, words []string) {
		if len(words) == 0 {
			return
		}
		if name, value := userCompiler(env, c.Triple, key); value != "" {
			notes = append(notes, fmt.Sprintf("%s=%s is set and wins over %s", name, value, c.Name))
			return
		}
		vars = append(vars, key+"_"+u+"="+strings.Join(words, " "))
	}
	set("CC", c.CC)
	set("CXX", c.CXX)
	set("AR", c.AR)
	set("RANLIB", c.RANLIB)
	set("CMAKE_TOOLCHAIN_FILE", []string{filepath.Join(c.Dir, toolchainFile)})
	if len(c.CXX) > 0 && c.cxxName != "" {
		set("CXXSTDLIB", []string{c.cxxName})
	}
	set("BINDGEN_EXTRA_CLANG_ARGS", c.bindgen(env))
	return vars, notes
}

// ForLibraries is the compiler as those who make libraries call it.
func (c *Compiler) ForLibraries() CC {
	return CC{CC: c.CC, CXX: c.CXX, AR: c.AR, RANLIB: c.RANLIB, ID: c.Kind + " " + c.Name + " " + c.Version}
}

// bindgen are the arguments for libclang, which reads headers without our driver. What the user gives it for every
// target is kept: bindgen takes the variable of the triple or the general one, not both.
func (c *Compiler) bindgen(env []string) []string {
	if len(c.headers) == 0 {
		return nil
	}
	words := []string{"--target=" + clangTriple(c.Triple), "-nostdlibinc"}
	for _, dir := range c.headers {
		words = append(words, "-isystem", shellQuote(dir))
	}
	if c.builtins != "" {
		// Last: a libclang has headers of its own version, and these are for one that came without.
		words = append(words, "-idirafter", shellQuote(c.builtins))
	}
	if general := lookupEnv(env, "BINDGEN_EXTRA_CLANG_ARGS"); general != "" {
		words = append(words, general)
	}
	return words
}

// shellQuote writes a word as a shell, and bindgen, read it.
func shellQuote(w string) string {
	if strings.ContainsAny(w, " '\"\\$`&;()<>|*?[]#~=%\t\n") {
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return w
}

// toolchainFile is for cmake.
const toolchainFile = "toolchain.cmake"

// cmakeToolchain is a toolchain file: a cross build for Linux, whatever the host, by our drivers. Libraries and headers
// are looked for below our own folders and those that cargo gives the build script, and nowhere else on this machine.
func cmakeToolchain(c *Compiler, t cargo.Triple) []byte {
	var b bytes.Buffer
	path := func(name string) string {
		return `"` + strings.NewReplacer(`\`, "/", `"`, `\"`, "$", `\$`, ";", `\;`).Replace(filepath.Join(c.Dir, name)) + `"`
	}
	fmt.Fprintf(&b, "set(CMAKE_SYSTEM_NAME Linux)\nset(CMAKE_SYSTEM_PROCESSOR %s)\n", ctargetOf(t).cmake)
	fmt.Fprintf(&b, "set(CMAKE_C_COMPILER %s)\nset(CMAKE_CXX_COMPILER %s)\nset(CMAKE_ASM_COMPILER %s)\n", path("cc"+exeSuffix), path("c++"+exeSuffix), path("cc"+exeSuffix))
	fmt.Fprintf(&b, "set(CMAKE_AR %s CACHE FILEPATH \"\" FORCE)\nset(CMAKE_RANLIB %s CACHE FILEPATH \"\" FORCE)\n", path("ar"+exeSuffix), path("ranlib"+exeSuffix))
	for _, lang := range []string{"C", "CXX", "ASM"} {
		fmt.Fprintf(&b, "set(CMAKE_%s_COMPILER_AR %s)\nset(CMAKE_%s_COMPILER_RANLIB %s)\n", lang, path("ar"+exeSuffix), lang, path("ranlib"+exeSuffix))
	}
	cache := strings.ReplaceAll(c.cacheDir, `\`, "/")
	fmt.Fprintf(&b, "list(APPEND CMAKE_FIND_ROOT_PATH \"%s\")\n", strings.NewReplacer(`"`, `\"`, "$", `\$`, ";", `\;`).Replace(cache))
	b.WriteString(`if(DEFINED ENV{OUT_DIR})
  get_filename_component(SAMPAN_BUILD "$ENV{OUT_DIR}/../.." ABSOLUTE)
  list(APPEND CMAKE_FIND_ROOT_PATH "${SAMPAN_BUILD}")
endif()
if(DEFINED ENV{CARGO_MANIFEST_DIR})
  get_filename_component(SAMPAN_CRATES "$ENV{CARGO_MANIFEST_DIR}/.." ABSOLUTE)
  list(APPEND CMAKE_FIND_ROOT_PATH "${SAMPAN_CRATES}")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
`)
	return b.Bytes()
}
