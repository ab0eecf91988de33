// SPDX-License-Identifier: MIT OR Apache-2.0

package native

// ZigVersion is the one version of zig whose clang compiles C and C++ for images. Another version makes other bytes, so
// there is no range; `zig version` has to answer exactly this.
const ZigVersion = "0.17.0"

// zigMegabytes is about what a wheel weighs, for the line that is said before it is fetched. In 10^6 bytes.
const zigMegabytes = 100

// wheel is a package of zig for one platform of hosts, as it lies in the Python package index. sha256 is that of the
// file, exe that of the zig executable in it.
type wheel struct {
	goos, goarch string
	version      string // of the package: the first upload lacked some platforms
	platform     string // tag to ask for
	file         string
	sha256, exe  string
}

// zigTree is the SHA-256 of all that we keep of a wheel beside the executable: one line "<sha256>  <path>\n" a file, in
// order of paths. It is the same for every platform.
const zigTree = "3b0a676a6b70b744a5741ddf25d293cb9e4efce1bd860943848a482d83844baa"

// wheels has one row for each platform that a wheel is published for.
var wheels = []wheel{
	{"linux", "amd64", ZigVersion, "manylinux2010_x86_64", "ziglang-0.17.0-py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64.whl",
		"97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b", "7c61539af19fa4082c94848f1c2b57b89e76dc6cfd5bd4c57764c3caf8f82272"},
	{"linux", "arm64", ZigVersion, "manylinux2014_aarch64", "ziglang-0.17.0-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
		"d2804f94f54f7fcf8169f4b212a619ad688a4e2e6592e976f0cf2e58e2cd8af3", "5165c9a2d17938a8173839b3adf81d025b558d38d9e9711237a6fa5b8d8bb3f7"},
	{"linux", "arm", ZigVersion, "manylinux2014_armv7l", "ziglang-0.17.0-py3-none-manylinux_2_17_armv7l.manylinux2014_armv7l.musllinux_1_1_armv7l.whl",
		"2f1506fbd4080ae55c7f3c5abe99cce226e563827f50e8f143e36decc615310f", "b79bbff590fab179d7b4f2e16917c057bade93443241abbeca6b3ccdfc9433d3"},
	{"linux", "386", ZigVersion, "manylinux2010_i686", "ziglang-0.17.0-py3-none-manylinux_2_12_i686.manylinux2010_i686.musllinux_1_1_i686.whl",
		"81e3057db80fb459d1ab13c3db13dbcb1e99e91c36281661831d1916eba924de", "d42ed2099e4141017c03af5554474b16930de5efbd6e52a4d21c33c80d042381"},
	{"linux", "ppc64le", "0.17.0.post0", "manylinux2014_ppc64le", "ziglang-0.17.0.post0-py3-none-manylinux_2_17_ppc64le.manylinux2014_ppc64le.musllinux_1_1_ppc64le.whl",
		"90275f66e18751c51e475defc49f820cd0dc369233ffbb3980323aa931403ac9", "96fce4c434536cb9175de9a0a2f3df3bc87c4b3a5abce0f768bfda649834bf16"},
	{"linux", "s390x", "0.17.0.post0", "manylinux2014_s390x", "ziglang-0.17.0.post0-py3-none-manylinux_2_17_s390x.manylinux2014_s390x.musllinux_1_1_s390x.whl",
		"b425d09488d884810b7430e4ea2044013c9197a8f789ca7790cd1c9ce3c17c29", "a85ed51ca34b3644c18a364fbc1c3ee272c2d3e8707fc96b639ee60f9f669170"},
	{"linux", "riscv64", "0.17.0.post0", "manylinux_2_31_riscv64", "ziglang-0.17.0.post0-py3-none-manylinux_2_31_riscv64.musllinux_1_1_riscv64.whl",
		"64fde2f2d50644a7011e3684a7049c3f5628883e4661f8e39e4a463ef0127923", "fafb5b82fe29dd66e2db435e33a964eddb076cf106dc0892e950759afda670ee"},
	{"darwin", "arm64", ZigVersion, "macosx_13_0_arm64", "ziglang-0.17.0-py3-none-macosx_13_0_arm64.whl",
		"87274af689c4128051b26c80f6f676757e0a81c2fdc137fd8b5679e928e4bc4f", "1c5f706db0ed6d55451940f31dc05a6177d05696bc1fa5d853696d04c718b523"},
	{"darwin", "amd64", ZigVersion, "macosx_13_0_x86_64", "ziglang-0.17.0-py3-none-macosx_13_0_x86_64.whl",
		"4d910f0e363ddb60a6b8ddb55235617797a8ccbcb6c5c7132a949d9f833eea42", "1cd710413b0f587df7bd796ac5b02b10378210a933a029b6434759514ca141df"},
	{"windows", "amd64", "0.17.0.post0", "win_amd64", "ziglang-0.17.0.post0-py3-none-win_amd64.whl",
		"bb0eeecea548d8653a96ce4165a462962687e4f0dcea81cba8345ae97b635ee3", "f54b14f02a4d7d8ac62a94a0663486eb166bba3745d85b466238c1b93e723d46"},
	{"windows", "arm64", "0.17.0.post0", "win_arm64", "ziglang-0.17.0.post0-py3-none-win_arm64.whl",
		"e9ebec62ad37d93abe3ff69e1bc94bf9b8338ed289bf90497c1f58d5d93a6347", "a5ae142cc04be0d580be0982a0f72684c065b442f3ec904c5b060a777fd0ec47"},
}

// wheelFor finds the row of a host.
func wheelFor(goos, goarch string) (wheel, bool) {
	for _, w := range wheels {
		if w.goos == goos && w.goarch == goarch {
			return w, true
		}
	}
	return wheel{}, false
}
