// SPDX-License-Identifier: MIT OR Apache-2.0

package rootfs

import (
	"fmt"
	"strconv"
	"strings"
)

// account is a user with a group of the same name and number.
type account struct {
	name string
	id   int
}

// accounts are the users of every image, by number. "app" is the one that images run as unless settings say otherwise;
// "nonroot" has the number that distroless images gave it, so that volumes written by those stay readable.
func accounts() []account {
	return []account{
		{"root", 0},
		{"app", 1000},
		{"nonroot", 65532},
		{"nobody", 65534},
	}
}

// passwd gives /etc/passwd: no passwords, no shells, and "/" as home, the one folder that is always there.
func passwd() string {
	var b strings.Builder
	for _, a := range accounts() {
		fmt.Fprintf(&b, "%s:x:%d:%d:%s:/:/sbin/nologin\n", a.name, a.id, a.id, a.name)
	}
	return b.String()
}

// group gives /etc/group.
func group() string {
	var b strings.Builder
	for _, a := range accounts() {
		fmt.Fprintf(&b, "%s:x:%d:\n", a.name, a.id)
	}
	return b.String()
}

func accountNames() string {
	var names []string
	for _, a := range accounts() {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}

// LookupUser reads "uid:gid", "uid", or names of the image's passwd and group in place of either number. A user alone gets
// the group of its own number (never group 0, which engines would take for a user that they do not know). Numbers are
// decimal, 0 to 2147483647. The error is a *UserError.
func LookupUser(s string) (uid, gid int, err error) {
	user, grp, both := strings.Cut(s, ":")
	if uid, err = lookupID(s, user, "user"); err != nil {
		return 0, 0, err
	}
	if !both {
		return uid, uid, nil
	}
	if gid, err = lookupID(s, grp, "group"); err != nil {
		return 0, 0, err
	}
	return uid, gid, nil
}

func lookupID(whole, word, what string) (int, error) {
	for _, a := range accounts() {
		if a.name == word {
			return a.id, nil
		}
	}
	if word == "" {
		return 0, &UserError{whole, "the " + what + " is empty"}
	}
	if strings.Trim(word, "0123456789") != "" {
		return 0, &UserError{whole, "the image has no " + what + " of that name"}
	}
	if len(word) > 1 && word[0] == '0' {
		return 0, &UserError{whole, "the " + what + " begins with a zero"}
	}
	id, err := strconv.ParseInt(word, 10, 64)
	if err != nil || id > maxID {
		return 0, &UserError{whole, "the " + what + " is greater than 2147483647"}
	}
	return int(id), nil
}
