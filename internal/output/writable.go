// SPDX-License-Identifier: MIT OR Apache-2.0

package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writable tells why a folder, or the nearest one above it that exists, takes no new files. Nothing is changed.
func writable(folder string) error {
	folder, err := nearest(folder)
	if err != nil {
		return err
	}
	return mayWrite(folder)
}

// nearest gives the first folder that exists, from the path upward.
func nearest(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(folder)
		switch {
		case err == nil && info.IsDir():
			return folder, nil
		case err == nil:
			return "", fmt.Errorf("%s is a file", folder)
		case errors.Is(err, fs.ErrPermission) || folder == filepath.Dir(folder):
			return "", plain(err)
		}
		folder = filepath.Dir(folder)
	}
}

func notWritable(folder string) string {
	if n, err := nearest(folder); err == nil {
		return fmt.Sprintf("ls -ld %s, or -o oci:DIR with a folder of yours", n)
	}
	return "-o oci:DIR with a folder of yours"
}
