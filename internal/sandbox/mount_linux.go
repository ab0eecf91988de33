// SPDX-License-Identifier: MIT OR Apache-2.0

package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"sampan/internal/rootfs"
)

// build makes a root in memory, fills it and moves into it. The host's root is gone afterwards.
func build(o order, in *reader) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return step("make mounts private", err)
	}
	base, err := mountRoot()
	if err != nil {
		return step("mount root", err)
	}
	if err := fill(base, o, in); err != nil {
		return err
	}
	if err := devices(path.Join(base, o.Dev)); err != nil {
		return err
	}
	// A kernel that shows us only a part of its own /proc (in a container) gives no new one. Then there is none.
	err = unix.Mount("proc", path.Join(base, o.Proc), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err != nil && err != unix.EPERM && err != unix.EACCES {
		return step("mount proc", err)
	}
	if err := unix.Chdir(base); err != nil {
		return step("enter root", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return step("change root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil { // the old root, which lies over the new one
		return step("leave the host's root", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return step("enter root", err)
	}
	return step("make root read-only", unix.Mount("", "/", "",
		unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""))
}

// mountRoot mounts the new root on any folder of the host that we need nothing from. Only this process sees it there.
func mountRoot() (base string, err error) {
	for _, base := range []string{"/tmp", "/sys", "/var", "/usr", "/home"} {
		if err = mountTmp(base, "mode=0755"); err == nil {
			return base, nil
		}
	}
	return "", err
}

func mountTmp(at, options string) error {
	return unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options)
}

// fill writes the entries. The folders' own modes come last, since some forbid writing into them.
func fill(base string, o order, in *reader) error {
	root, err := os.OpenRoot(base) // no path may lead out, whatever links there are
	if err != nil {
		return step("open root", err)
	}
	defer root.Close() //nolint:errcheck // only a handle
	buf := make([]byte, chunk)
	var dirs []rootfs.Entry
	for {
		e, ok, err := in.entry()
		if err != nil {
			return step("read tree", err)
		}
		if !ok {
			break
		}
		if err := write(root, e, in, buf); err != nil {
			return step("write "+e.Path, err)
		}
		if !e.Mode.IsDir() {
			continue
		}
		switch e.Path {
		case o.Tmp:
			err = mountTmp(path.Join(base, e.Path), "mode=1777")
		case o.Shm:
			err = mountTmp(path.Join(base, e.Path), "mode=1777,size=64m")
		default:
			dirs = append(dirs, e)
		}
		if err != nil {
			return step("mount "+e.Path, err)
		}
	}
	for _, e := range dirs {
		if err := unix.Chmod(path.Join(base, e.Path), permissions(e.Mode)); err != nil {
			return step("write "+e.Path, err)
		}
	}
	return nil
}

func write(root *os.Root, e rootfs.Entry, in *reader, buf []byte) error {
	switch {
	case e.Mode.IsDir():
		return root.Mkdir(e.Path, 0o700)
	case e.Mode&fs.ModeSymlink != 0:
		return root.Symlink(e.Link, e.Path)
	}
	f, err := root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.Mode.Perm())
	if err != nil {
		return err
	}
	return errors.Join(in.content(f, e.Size, buf), f.Close())
}

// devices binds the host's harmless devices into dev, and makes the links that programs expect beside them.
func devices(dev string) error {
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		host, at := "/dev/"+name, path.Join(dev, name)
		if _, err := os.Stat(host); err != nil {
			continue // what the host lacks, the program will lack
		}
		f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o666)
		if err != nil {
			return step("make "+host, err)
		}
		_ = f.Close()
		if err := unix.Mount(host, at, "", unix.MS_BIND, ""); err != nil {
			return step("mount "+host, err)
		}
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, path.Join(dev, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return step("make /dev/"+name, err)
		}
	}
	return nil
}
