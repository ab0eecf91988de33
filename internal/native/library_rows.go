// SPDX-License-Identifier: MIT OR Apache-2.0

package native

import "sampan/internal/cargo"

// Rows of the table that need more words than others: libraries that call other libraries.

var libpq = library{
	name: "libpq", title: "libpq", license: "PostgreSQL", cost: 15, needs: []string{"openssl"},
	releases: []release{{version: "18.6",
		crate: cargo.SourceCrate{Name: "pq-src", Version: "0.3.14+libpq-18.6", Checksum: "b335e98a4cdac5e3bff3fa043a45142a4b6dc9bc02885fc769ba4d30282c4dec"}}},
	recipe: objectsRecipe{
		archive: "libpq.a",
		files:   []string{"source/src/port/*.c", "source/src/common/*.c", "source/src/interfaces/libpq/*.c"},
		// What is for Windows, and the algorithms that OpenSSL takes over.
		except: []string{"*/*/*/win32*.c", "*/*/*/*/win32.c", "*/*/*/*/pthread-win32.c", "source/src/port/dirmod.c", "source/src/port/open.c",
			"source/src/port/inet_aton.c", "source/src/common/cryptohash.c", "source/src/common/hmac.c", "source/src/common/md5.c",
			"source/src/common/sha1.c", "source/src/common/sha2.c"},
		defines: []string{"FRONTEND", "_GNU_SOURCE", "STRERROR_R_INT", "HAVE_TERMIOS_H", "HAVE_STRCHRNUL", "HAVE_STRSIGNAL", "USE_OPENSSL=1",
			`PG_VERSION="@VERSION@"`, `PG_VERSION_STR="PostgreSQL @VERSION@"`, "PG_VERSION_NUM=@MAJOR@000@MINOR@", `PG_MAJORVERSION="@MAJOR@"`,
			"PG_MAJORVERSION_NUM=@MAJOR@", "PG_MINORVERSION_NUM=@MINOR@"},
		include: []string{"source/src/port", "source/src/include", "additional_include", "written"},
		written: []written{{path: "written/pg_config_os.h", from: "source/src/include/port/linux.h"}},
		headers: []headers{
			{"include", []string{"source/src/interfaces/libpq/libpq-fe.h", "source/src/interfaces/libpq/libpq-events.h", "source/src/include/postgres_ext.h", "additional_include/pg_config_ext.h"}},
		},
		licence: []string{"README.md"},
		pulls:   []string{"ssl", "crypto"},
	},
	modules: []module{{name: "libpq", about: "client of PostgreSQL", libs: []string{"pq"}, requires: []string{"libssl", "libcrypto"}}},
}

var nghttp2 = library{
	name: "nghttp2", title: "nghttp2", license: "MIT", cost: 10,
	releases: []release{{version: "1.68.1",
		crate: cargo.SourceCrate{Name: "libnghttp2-sys", Version: "0.1.13+1.68.1", Checksum: "492e00167f1418c15648144f42bbfc63099806ecee9bf8d09a6353d6b4856b3c"}}},
	recipe: objectsRecipe{
		archive: "libnghttp2.a", root: "nghttp2/lib", files: []string{"*.c"},
		defines: []string{"NGHTTP2_STATICLIB", "HAVE_NETINET_IN_H", "HAVE_ARPA_INET_H", "HAVE_TIME_H", "HAVE_CLOCK_GETTIME=1", "HAVE_DECL_CLOCK_MONOTONIC=1"},
		include: []string{"includes"},
		written: []written{{path: "includes/nghttp2/nghttp2ver.h", from: "includes/nghttp2/nghttp2ver.h.in",
			edit: [][2]string{{"@PACKAGE_VERSION@", "@VERSION@"}, {"@PACKAGE_VERSION_NUM@", "@VERSION_NUM@"}}}},
		headers: []headers{{"include/nghttp2", []string{"includes/nghttp2/*.h"}}},
		licence: []string{"nghttp2/COPYING"},
	},
	modules: []module{{name: "libnghttp2", about: "HTTP/2", libs: []string{"nghttp2"}}},
}

var libssh2 = library{
	name: "libssh2", title: "libssh2", license: "BSD-3-Clause", cost: 10, needs: []string{"openssl", "zlib"},
	releases: []release{{version: "1.11.2",
		crate: cargo.SourceCrate{Name: "libssh2-sys", Version: "0.3.4", Checksum: "fce5a0b125f6aeac93b304b35f7f1e9f054aad29ddac57091928e41df3ccd233"}}},
	recipe: objectsRecipe{
		archive: "libssh2.a", root: "libssh2/src", files: []string{"*.c"},
		defines: []string{"LIBSSH2_OPENSSL", "LIBSSH2_HAVE_ZLIB", "LIBSSH2_DH_GEX_NEW", "HAVE_EVP_AES_128_CTR", "HAVE_UNISTD_H", "HAVE_INTTYPES_H",
			"HAVE_STDLIB_H", "HAVE_SYS_SELECT_H", "HAVE_SYS_SOCKET_H", "HAVE_SYS_IOCTL_H", "HAVE_SYS_TIME_H", "HAVE_SYS_UN_H", "HAVE_SYS_PARAM_H",
			"HAVE_O_NONBLOCK", "HAVE_POLL", "HAVE_SELECT", "HAVE_SNPRINTF", "HAVE_GETTIMEOFDAY", "HAVE_STRTOLL", "HAVE_EXPLICIT_BZERO", "HAVE_LONGLONG"},
		include: []string{"../include", "."},
		written: []written{{path: "libssh2_config.h", text: "/* all is said on the command line */\n"}},
		headers: []headers{{"include", []string{"../include/*.h"}}},
		licence: []string{"libssh2/COPYING"},
	},
	modules: []module{{name: "libssh2", about: "client of SSH", libs: []string{"ssh2"}, requires: []string{"libssl", "libcrypto", "zlib"}}},
}

var curl = library{
	name: "curl", title: "curl", license: "curl", cost: 30, needs: []string{"openssl", "zlib", "nghttp2"},
	releases: []release{{version: "8.22.0",
		crate: cargo.SourceCrate{Name: "curl-sys", Version: "0.4.91+curl-8.22.0", Checksum: "cd39579123e45bf762716bb893d43886ed1cabe6289455be29a4f1d4e37afb06"}}},
	recipe: objectsRecipe{
		archive: "libcurl.a", root: "curl/lib",
		// A file for what is turned off compiles to nothing, so all are named.
		files:  []string{"*.c", "curlx/*.c", "vauth/*.c", "vdns/*.c", "vquic/*.c", "vssh/*.c", "vtls/*.c"},
		except: []string{"dllmain.c", "amigaos.c", "memdebug.c", "macos.c"},
		// As curl-sys builds it, with NTLM and FTP; where the certificates are is where they lie in an image.
		defines: []string{"_GNU_SOURCE", "BUILDING_LIBCURL", "CURL_STATICLIB", `CURL_OS="linux-musl"`, `CURL_CA_BUNDLE="/etc/ssl/certs/ca-certificates.crt"`,
			"CURL_DISABLE_DICT", "CURL_DISABLE_GOPHER", "CURL_DISABLE_IMAP", "CURL_DISABLE_LDAP", "CURL_DISABLE_LDAPS", "CURL_DISABLE_POP3",
			"CURL_DISABLE_RTSP", "CURL_DISABLE_SMB", "CURL_DISABLE_SMTP", "CURL_DISABLE_TELNET", "CURL_DISABLE_TFTP", "CURL_DISABLE_MQTT",
			"USE_OPENSSL", "USE_NGHTTP2", "NGHTTP2_STATICLIB", "HAVE_LIBZ", "HAVE_ZLIB_H", "USE_IPV6", "ENABLE_IPV6", "USE_UNIX_SOCKETS",
			"USE_RESOLV_THREADED", "HAVE_THREADS_POSIX", "HAVE_PTHREAD_H", "HAVE_SOCKADDR_IN6_SIN6_SCOPE_ID", "HAVE_STRUCT_SOCKADDR_STORAGE",
			"HAVE_STRUCT_TIMEVAL", "HAVE_LONGLONG", "HAVE_BOOL_T", "HAVE_STDBOOL_H", "HAVE_STDINT_H", "HAVE_ARPA_INET_H", "HAVE_FCNTL_H",
			"HAVE_NETDB_H", "HAVE_NETINET_IN_H", "HAVE_NETINET_TCP_H", "HAVE_POLL_H", "HAVE_POLL", "HAVE_SYS_IOCTL_H", "HAVE_SYS_SELECT_H",
			"HAVE_SYS_SOCKET_H", "HAVE_SYS_STAT_H", "HAVE_SYS_TIME_H", "HAVE_SYS_UN_H", "HAVE_UNISTD_H", "HAVE_UTIME_H", "HAVE_NET_IF_H",
			"HAVE_IFADDRS_H", "HAVE_TERMIOS_H", "HAVE_PWD_H", "HAVE_STRINGS_H", "HAVE_LIBGEN_H", "HAVE_LOCALE_H", "HAVE_DIRENT_H",
			"HAVE_FCNTL_O_NONBLOCK", "HAVE_RECV", "HAVE_SEND", "HAVE_SELECT", "HAVE_SOCKET", "HAVE_SOCKETPAIR", "HAVE_GETADDRINFO",
			"HAVE_GETADDRINFO_THREADSAFE", "HAVE_FREEADDRINFO", "HAVE_GETPEERNAME", "HAVE_GETSOCKNAME", "HAVE_GETHOSTNAME", "HAVE_GETIFADDRS",
			"HAVE_GETTIMEOFDAY", "HAVE_CLOCK_GETTIME_MONOTONIC", "HAVE_GMTIME_R", "HAVE_LOCALTIME_R", "HAVE_STRERROR_R", "HAVE_POSIX_STRERROR_R",
			"HAVE_INET_NTOP", "HAVE_INET_PTON", "HAVE_STRTOLL", "HAVE_SNPRINTF", "HAVE_BASENAME", "HAVE_FSEEKO", "HAVE_FTRUNCATE", "HAVE_UTIMES",
			"HAVE_PIPE", "HAVE_PIPE2", "HAVE_ACCEPT4", "HAVE_SENDMSG", "HAVE_SENDMMSG", "HAVE_FNMATCH", "HAVE_GETEUID", "HAVE_GETPWUID", "HAVE_GETPWUID_R",
			"HAVE_GETPPID", "HAVE_GETRLIMIT", "HAVE_SETRLIMIT", "HAVE_IF_NAMETOINDEX", "HAVE_SIGACTION", "HAVE_SIGINTERRUPT", "HAVE_SIGSETJMP",
			"HAVE_ALARM", "HAVE_STRCASECMP", "HAVE_MEMRCHR", "HAVE_OPENDIR", "HAVE_EVENTFD", "HAVE_SYS_EVENTFD_H", "HAVE_ATOMIC", "HAVE_STDATOMIC_H", "HAVE_SA_FAMILY_T",
			"SIZEOF_CURL_OFF_T=8", "SIZEOF_CURL_SOCKET_T=4", "SIZEOF_INT=4", "SIZEOF_SHORT=2", "SIZEOF_OFF_T=8", "SIZEOF_TIME_T=8",
			"SIZEOF_SIZE_T=@BYTES@", "SIZEOF_SSIZE_T=@BYTES@", "SIZEOF_LONG=@BYTES@"},
		include: []string{".", "../include"},
		headers: []headers{{"include/curl", []string{"../include/curl/*.h"}}},
		licence: []string{"curl/COPYING"},
	},
	modules: []module{{name: "libcurl", about: "transfers by URL", libs: []string{"curl"}, requires: []string{"libnghttp2", "libssl", "libcrypto", "zlib"}}},
}

var libgit2 = library{
	name: "libgit2", title: "libgit2", license: "GPL-2.0-only WITH GCC-exception-2.0", cost: 30, needs: []string{"openssl", "zlib", "libssh2"},
	releases: []release{{version: "1.9.7",
		crate: cargo.SourceCrate{Name: "libgit2-sys", Version: "0.18.8+1.9.7", Checksum: "7f7c568b25d7489bc3fb2988ed69ab111d2944d2f5fec3d5c987fe545ea97b50"}}},
	recipe: objectsRecipe{
		archive: "libgit2.a", root: "libgit2",
		files: []string{"src/libgit2/*.c", "src/libgit2/transports/*.c", "src/libgit2/streams/*.c", "src/util/*.c", "src/util/unix/*.c",
			"src/util/allocators/failalloc.c", "src/util/allocators/stdalloc.c", "src/util/hash/collisiondetect.c", "src/util/hash/openssl.c",
			"src/util/hash/sha1dc/*.c", "deps/llhttp/*.c", "deps/xdiff/*.c", "deps/pcre2/*.c"},
		except: []string{"deps/pcre2/pcre2_fuzzsupport.c", "deps/pcre2/pcre2_jit*.c", "deps/pcre2/pcre2_ucptables.c", "deps/pcre2/pcre2_printint*.c", "deps/pcre2/pcre2_dftables.c"},
		defines: []string{"GIT_REGEX_BUILTIN=1", "PCRE2_STATIC", "PCRE2_EXPORT=", "PCRE2_EXP_DECL=", "PCRE2_EXP_DEFN=", "PCRE2_CODE_UNIT_WIDTH=8", "SUPPORT_PCRE2_8=1",
			"SUPPORT_UNICODE=1", "LINK_SIZE=2", "HEAP_LIMIT=20000000", "MATCH_LIMIT=10000000", "MATCH_LIMIT_DEPTH=MATCH_LIMIT",
			"MAX_VARLOOKBEHIND=255", "NEWLINE_DEFAULT=2", "PARENS_NEST_LIMIT=250", "MAX_NAME_SIZE=128", "MAX_NAME_COUNT=10000",
			"SHA1DC_NO_STANDARD_INCLUDES=1", `SHA1DC_CUSTOM_INCLUDE_SHA1_C="common.h"`, `SHA1DC_CUSTOM_INCLUDE_UBC_CHECK_C="common.h"`},
		include: []string{"written", "include", "src/libgit2", "src/util", "deps/llhttp", "deps/xdiff", "deps/pcre2"},
		written: []written{{path: "written/git2_features.h", text: `#define GIT_THREADS 1
#define GIT_TRACE 1
#define GIT_HTTPPARSER_BUILTIN 1
#define GIT_USE_NSEC 1
#define GIT_USE_STAT_MTIM 1
#define GIT_IO_POLL 1
#define GIT_IO_SELECT 1
#define GIT_ARCH_@BITS@ 1
#define GIT_SSH 1
#define GIT_SSH_LIBSSH2 1
#define GIT_SSH_LIBSSH2_MEMORY_CREDENTIALS 1
#define GIT_HTTPS 1
#define GIT_OPENSSL 1
#define GIT_SHA1_COLLISIONDETECT 1
#define GIT_SHA256_OPENSSL 1
`}},
		headers: []headers{{"include", []string{"include/git2.h"}}, {"include/git2", []string{"include/git2/*.h"}}, {"include/git2/sys", []string{"include/git2/sys/*.h"}}},
		licence: []string{"libgit2/COPYING"},
	},
	modules: []module{{name: "libgit2", about: "git as a library", libs: []string{"git2"}, requires: []string{"libssh2", "libssl", "libcrypto", "zlib"}}},
}
