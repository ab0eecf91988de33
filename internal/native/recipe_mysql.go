// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"sampan/internal/cargo"
)

var mysqlclient = library{
	name: "mysqlclient", title: "libmysqlclient", license: "GPL-2.0-only WITH Universal-FOSS-exception-1.0", cost: 280, bits64: true, hosts: true,
	needs: []string{"openssl", "zlib", "zstd"},
	releases: []release{{version: "9.5.0",
		crate: cargo.SourceCrate{Name: "mysqlclient-src", Version: "0.2.2+9.5.0", Checksum: "b5918bf2cec3b9a991a82fe9a9e0773997255b7bb6d11a50e8200bdfee9f2953"}}},
	recipe: mysqlRecipe{},
	modules: []module{{name: "mysqlclient", about: "client of MySQL", libs: []string{"mysqlclient"}, include: "mysql", cxx: true,
		requires: []string{"libssl", "libcrypto", "zlib", "libzstd"}}},
}

// mysqlRecipe builds MySQL's client by its own cmake files. They compile programs first that write sources, and run
// them, so the machine must be of the triple's kind.
type mysqlRecipe struct{}

func (mysqlRecipe) tools() []string { return []string{"cmake", "make"} }

// mysqlOptions turn off what would be looked for on this machine. LINUX_ALPINE is MySQL's word for musl; it asks for a
// library of the resolver, which musl has in libc.
var mysqlOptions = []string{"-DCMAKE_BUILD_TYPE=Release", "-DWITHOUT_SERVER=ON", "-DWITH_EDITLINE=bundled", "-DWITH_LZ4=bundled", "-DWITH_ZLIB=system",
	"-DWITH_ZSTD=system", "-DWITH_UNIT_TESTS=OFF",
	"-DWITH_BUILD_ID=OFF", "-DLINUX_ALPINE=1", "-DRESOLV_LIBRARY=resolv", "-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY", "-DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY",
	"-DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY", "-DCMAKE_EXE_LINKER_FLAGS=-static", "-DCMAKE_POSITION_INDEPENDENT_CODE=ON"}

func (r mysqlRecipe) build(ctx context.Context, j *job) error {
	if len(j.CC.CXX) == 0 {
		return errors.New("it takes a C++ compiler")
	}
	build := filepath.Join(j.src, "build")
	if err := os.MkdirAll(build, 0o755); err != nil {
		return err
	}
	var roots []string
	for _, dir := range j.includes() {
		roots = append(roots, filepath.Dir(dir))
	}
	flags := func(words []string) string {
		return shellWords(append(words, "-w", "-DNDEBUG", "-ffile-prefix-map="+j.src+"=."))
	}
	args := append([]string{Tool{Name: "cmake"}.Find(j.Env), "-G", "Unix Makefiles", "-S", "../source", "-B", "."}, mysqlOptions...)
	args = append(args, "-DCMAKE_FIND_ROOT_PATH="+strings.Join(roots, ";"), "-DWITH_SSL="+filepath.Dir(j.headersOf("openssl")),
		"-DCMAKE_C_COMPILER="+strings.Join(j.CC.CC, ";"), "-DCMAKE_CXX_COMPILER="+strings.Join(j.CC.CXX, ";"),
		"-DCMAKE_AR="+j.CC.AR[0], "-DCMAKE_RANLIB="+j.ranlib()[0], "-DCMAKE_C_FLAGS_RELEASE="+flags(j.flagsC()), "-DCMAKE_CXX_FLAGS_RELEASE="+flags(j.flags()),
		"-DCMAKE_MAKE_PROGRAM="+Tool{Name: "make"}.Find(j.Env))
	if err := j.run(ctx, "build", args, "PKG_CONFIG=false"); err != nil {
		return err
	}
	j.total = 100
	j.log.onLine = func(line string) {
		if m := percentLine.FindStringSubmatch(line); m != nil {
			done, _ := strconv.Atoi(m[1]) // digits, by the pattern
			j.reached(done)
		}
	}
	if err := j.run(ctx, "build", []string{Tool{Name: "make"}.Find(j.Env), "-j" + strconv.Itoa(j.Jobs), "mysqlclient"}); err != nil {
		return err
	}
	return r.take(j)
}

var percentLine = regexp.MustCompile(`^\[ *(\d{1,3})%\]`)

func (mysqlRecipe) take(j *job) error {
	return errors.Join(
		j.install("lib", "build/archive_output_directory/libmysqlclient.a"),
		j.install("licence", "source/README"),
		j.install("include/mysql", "source/include/mysql.h", "source/include/mysql_com.h", "source/include/mysql_time.h", "source/include/my_list.h",
			"source/include/my_command.h", "source/include/my_compress.h", "source/include/errmsg.h", "source/include/field_types.h",
			"build/include/mysql_version.h", "build/include/mysqld_error.h"),
		j.install("include/mysql/mysql", "source/include/mysql/client_plugin.h", "source/include/mysql/plugin_auth_common.h",
			"source/include/mysql/udf_registration_types.h"),
	)
}

// headersOf is the folder with the headers of a library that this one calls.
func (j *job) headersOf(name string) string {
	for _, d := range j.entry.deps {
		if d.library.name == name {
			return filepath.Join(d.dir, "include")
		}
	}
	return ""
}
