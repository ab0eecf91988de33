// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import "sampan/internal/cargo"

// libraries is the table. The source crates are pinned by version and checksum: another release is another row.
var libraries = []library{
	{
		name: "openssl", title: "OpenSSL", license: "Apache-2.0", cost: 120,
		releases: []release{
			{version: "3.6.3", takers: []taker{{"openssl-sys", "0.9.64"}},
				crate: cargo.SourceCrate{Name: "openssl-src", Version: "300.6.1+3.6.3", Checksum: "46eb8fb9fb3b61ce1c0f8a026c4c1a0714d3a9e138e7fbde78753ce2babc3846"}},
			{version: "4.0.3", takers: []taker{{"openssl-sys", "0.9.114"}},
				crate: cargo.SourceCrate{Name: "openssl-src", Version: "400.0.2+4.0.3", Checksum: "d2093956673b8dbda85c87fa4fb78e70698ce6c5978a2837d1613f661d3bef76"}},
		},
		recipe: opensslRecipe{},
		modules: []module{
			{name: "libcrypto", about: "OpenSSL cryptography", libs: []string{"crypto"}},
			{name: "libssl", about: "TLS of OpenSSL", libs: []string{"ssl"}, requires: []string{"libcrypto"}},
			{name: "openssl", about: "TLS and cryptography of OpenSSL", requires: []string{"libssl", "libcrypto"}},
		},
	},
	{
		name: "zlib", title: "zlib", license: "Zlib", cost: 5,
		releases: []release{{version: "1.3.2",
			crate: cargo.SourceCrate{Name: "libz-sys", Version: "1.1.31", Checksum: "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2"}}},
		recipe: objectsRecipe{
			archive: "libz.a", root: "src/zlib", files: []string{"*.c"},
			defines: []string{"HAVE_UNISTD_H", "_LARGEFILE64_SOURCE=1", "HAVE_HIDDEN"},
			// What configure would find out: that there is unistd.h, whose off_t is meant.
			written: []written{{path: "zconf.h", from: "zconf.h", edit: [][2]string{{"#if HAVE_UNISTD_H-0", "#if 1"}}}},
			headers: []headers{{"include", []string{"zlib.h", "zconf.h"}}},
			licence: []string{"src/zlib/LICENSE"},
		},
		modules: []module{{name: "zlib", about: "deflate compression", libs: []string{"z"}}},
	},
	{
		name: "bzip2", title: "bzip2", license: "bzip2-1.0.6", cost: 5,
		releases: []release{{version: "1.0.8",
			crate: cargo.SourceCrate{Name: "bzip2-sys", Version: "0.1.13+1.0.8", Checksum: "225bff33b2141874fe80d71e07d6eec4f85c5c216453dd96388240f96e1acc14"}}},
		recipe: objectsRecipe{
			archive: "libbz2.a", root: "bzip2-1.0.8",
			files:   []string{"blocksort.c", "huffman.c", "crctable.c", "randtable.c", "compress.c", "decompress.c", "bzlib.c"},
			defines: []string{"_FILE_OFFSET_BITS=64"},
			headers: []headers{{"include", []string{"bzlib.h"}}},
			licence: []string{"bzip2-1.0.8/LICENSE"},
		},
		modules: []module{{name: "bzip2", about: "block-sorting compression", libs: []string{"bz2"}}},
	},
	{
		name: "xz", title: "liblzma", license: "0BSD", cost: 20,
		releases: []release{{version: "5.8.4",
			crate: cargo.SourceCrate{Name: "liblzma-sys", Version: "0.4.9", Checksum: "7c7e3581f367a78d7b7e7ae948d023310556f0cfc13156c2e4e00e25616492b9"}}},
		recipe: objectsRecipe{
			archive: "liblzma.a", root: "xz/src/liblzma",
			files:   []string{"common/*.c", "lzma/*.c", "lz/*.c", "check/*.c", "delta/*.c", "rangecoder/*.c", "simple/*.c", "../common/tuklib_cpucores.c", "../common/tuklib_physmem.c"},
			except:  []string{"*/*_small.c", "*/*tablegen.c", "*/crc_clmul_consts_gen.c"},
			defines: []string{"HAVE_CONFIG_H=1", "LZMA_SYS_ENABLE_THREADS=1"},
			big:     []string{"WORDS_BIGENDIAN"},
			include: []string{"api", "lzma", "lz", "check", "simple", "delta", "common", "rangecoder", "../common", "../../.."},
			headers: []headers{{"include", []string{"api/lzma.h"}}, {"include/lzma", []string{"api/lzma/*.h"}}},
			licence: []string{"xz/COPYING.0BSD"},
		},
		modules: []module{{name: "liblzma", about: "LZMA and xz compression", libs: []string{"lzma"}}},
	},
	{
		name: "zstd", title: "Zstandard", license: "BSD-3-Clause", cost: 15,
		releases: []release{{version: "1.5.7",
			crate: cargo.SourceCrate{Name: "zstd-sys", Version: "2.1.3+zstd.1.5.7", Checksum: "f729a06d0257428fd9d997ac8db7e1407bd0262ab016b085b36bc52957c0052d"}}},
		recipe: objectsRecipe{
			archive: "libzstd.a", root: "zstd/lib",
			files:  []string{"common/*.c", "compress/*.c", "decompress/*.c", "dictBuilder/*.c"},
			amd64:  []string{"decompress/huf_decompress_amd64.S"},
			others: []string{"ZSTD_DISABLE_ASM"},
			// Its copy of xxhash gets names of its own: others bring one too.
			defines: []string{"ZSTD_MULTITHREAD", "XXH_NAMESPACE=ZSTD_", "ZSTD_LEGACY_SUPPORT=0"},
			include: []string{".", "common"},
			headers: []headers{{"include", []string{"zstd.h", "zstd_errors.h", "zdict.h"}}},
			licence: []string{"zstd/LICENSE"},
		},
		modules: []module{{name: "libzstd", about: "fast compression", libs: []string{"zstd"}}},
	},
	{
		name: "sqlite", title: "SQLite", license: "blessing", cost: 60,
		releases: []release{{version: "3.54.1",
			crate: cargo.SourceCrate{Name: "libsqlite3-sys", Version: "0.40.0", Checksum: "b06e69070b7e12262b0cd90832f0a7396f142a2b330181255562decf9f0c6215"}}},
		recipe: objectsRecipe{
			archive: "libsqlite3.a", root: "sqlite3", files: []string{"sqlite3.c"},
			// What distributions turn on in theirs, since a crate that looks for the system's counts on it.
			defines: []string{"SQLITE_THREADSAFE=1", "SQLITE_USE_URI=1", "SQLITE_SECURE_DELETE", "SQLITE_SOUNDEX", "SQLITE_MAX_VARIABLE_NUMBER=250000",
				"SQLITE_ENABLE_COLUMN_METADATA", "SQLITE_ENABLE_DBSTAT_VTAB", "SQLITE_ENABLE_FTS3", "SQLITE_ENABLE_FTS3_PARENTHESIS",
				"SQLITE_ENABLE_FTS3_TOKENIZER", "SQLITE_ENABLE_FTS4", "SQLITE_ENABLE_FTS5", "SQLITE_ENABLE_RTREE", "SQLITE_ENABLE_MATH_FUNCTIONS",
				"SQLITE_ENABLE_STAT4", "SQLITE_ENABLE_SESSION", "SQLITE_ENABLE_PREUPDATE_HOOK", "SQLITE_ENABLE_UNLOCK_NOTIFY", "SQLITE_ENABLE_SNAPSHOT",
				"SQLITE_ENABLE_LOAD_EXTENSION", "SQLITE_LIKE_DOESNT_MATCH_BLOBS", "HAVE_ISNAN=1", "HAVE_USLEEP=1", "HAVE_STDINT_H=1", "HAVE_LOCALTIME_R=1"},
			headers: []headers{{"include", []string{"sqlite3.h", "sqlite3ext.h"}}},
			licence: []string{"LICENSE"},
		},
		modules: []module{{name: "sqlite3", about: "SQL database in a file", libs: []string{"sqlite3"}}},
	},
	mysqlclient, libpq, nghttp2, libssh2, curl, libgit2,
}
