// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"encoding/binary"
	"slices"
	"strings"
)

// capabilities are Linux's, by number (include/uapi/linux/capability.h of Linux 6.18; capabilities(7)).
var capabilities = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
	"net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
	"sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease",
	"audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
	"perfmon", "bpf", "checkpoint_restore",
}

// Caps is a set of capabilities: bit N is capability number N.
type Caps uint64

// CapabilityNames are the names of all capabilities: lower case, without "cap_".
func CapabilityNames() []string { return slices.Clone(capabilities) }

// LookupCaps makes a set of names, in any case, with or without "CAP_". It gives the first name that is none, "" for
// none such.
func LookupCaps(names []string) (set Caps, unknown string) {
	for _, name := range names {
		i := slices.Index(capabilities, CapabilityWord(name))
		if i < 0 {
			return 0, name
		}
		set |= 1 << i
	}
	return set, ""
}

// CapabilityWord is a capability's name as this package writes it: "net_raw" for "CAP_NET_RAW".
func CapabilityWord(name string) string { return strings.TrimPrefix(strings.ToLower(name), "cap_") }

// Names are those of the set, in the order of their numbers.
func (c Caps) Names() []string {
	var out []string
	for i, name := range capabilities {
		if c&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// XattrCapability is the extended attribute that holds a program's capabilities.
const XattrCapability = "security.capability"

// Xattr is the value of security.capability that gives a program the set at its start: struct vfs_cap_data of the kernel
// in its second revision, 20 bytes little endian, with the flag "effective", so that the program need not raise them.
func (c Caps) Xattr() []byte {
	const revision2, effective = 0x02000000, 1
	b := binary.LittleEndian.AppendUint32(nil, revision2|effective)
	for _, half := range []uint32{uint32(c), uint32(c >> 32)} {
		b = binary.LittleEndian.AppendUint32(b, half) // permitted
		b = binary.LittleEndian.AppendUint32(b, 0)    // inheritable: meant for programs that start others
	}
	return b
}
