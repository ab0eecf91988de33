// SPDX-License-Identifier: MIT OR Apache-2.0

package transport

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"sampan/internal/durable"
)

// Check asks a registry whether it knows a credential. The error is an *AuthError when it does not.
func (c *Client) Check(ctx context.Context, n Name, who Credential) error {
	o := c.o
	o.Credentials = func(context.Context, Name) (Credential, error) { return who, nil }
	own := New(o)
	defer own.Close()
	r := own.Repository(n)
	u := r.h.base()
	u.Path = "/v2/"
	q := &request{method: http.MethodGet, url: u, header: http.Header{}}
	got, err := r.h.send(ctx, q)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return r.fail(q, got)
	}
	return nil
}

// Store keeps a login for docker, podman and us: by the helper that the first of Files that is there names for the
// host, else in that file. It says by whom or where.
func (k *Keys) Store(ctx context.Context, n Name, who Credential) (string, error) {
	path := k.target()
	f, err := readAuthFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = &authFile{}, nil
	}
	if err != nil {
		return "", &KeyError{Source: path, Err: err, hint: "mend or remove " + path}
	}
	if helper := f.helperOf(n); helper != "" {
		doc, err := json.Marshal(map[string]string{"ServerURL": helperKey(n), "Username": who.User, "Secret": who.Password})
		if err != nil {
			return "", err
		}
		if _, err := k.helperRun(ctx, helperCall{name: helper, file: path, verb: "store", input: string(doc)}); err != nil {
			return "", err
		}
		return "docker-credential-" + helper, nil
	}
	entry, err := json.Marshal(map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(who.User + ":" + who.Password))})
	if err != nil {
		return "", err
	}
	if err := editAuths(path, func(auths map[string]json.RawMessage) {
		for key := range auths {
			if plainKey(key) == plainKey(n.Host) {
				delete(auths, key)
			}
		}
		auths[helperKey(n)] = entry
	}); err != nil {
		return "", &KeyError{Source: path, Err: err, hint: "may you write " + path + "? REGISTRY_AUTH_FILE names another file"}
	}
	return path, nil
}

// target is the file that a login is written to.
func (k *Keys) target() string {
	if len(k.Files) == 0 {
		return ""
	}
	for _, path := range k.Files {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return k.Files[0]
}

// helperOf is the helper that keeps a host's login, "" for none.
func (f *authFile) helperOf(n Name) string {
	for host, helper := range f.Helpers {
		if plainKey(host) == plainKey(n.Host) {
			return helper
		}
	}
	return f.Store
}

// Erase forgets the logins at a host in every file and with every helper that they name. It says where there were any.
func (k *Keys) Erase(ctx context.Context, n Name) (where []string, err error) {
	for _, path := range k.Files {
		f, err := readAuthFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return where, &KeyError{Source: path, Err: err, hint: "mend or remove " + path}
		}
		if helper := f.helperOf(n); helper != "" {
			if c, err := k.helper(ctx, helper, path, n); err == nil && !c.none() {
				if _, err := k.helperRun(ctx, helperCall{name: helper, file: path, verb: "erase", input: helperKey(n)}); err != nil {
					return where, err
				}
				where = append(where, "docker-credential-"+helper)
			}
		}
		found := false
		for key := range f.Auths {
			found = found || plainKey(key) == plainKey(n.Host)
		}
		if !found {
			continue
		}
		if err := editAuths(path, func(auths map[string]json.RawMessage) {
			for key := range auths {
				if plainKey(key) == plainKey(n.Host) {
					delete(auths, key)
				}
			}
		}); err != nil {
			return where, &KeyError{Source: path, Err: err, hint: "may you write " + path + "?"}
		}
		where = append(where, path)
	}
	return where, nil
}

// editAuths changes the logins in a file and leaves all else in it as it is. Only its owner may read the file after it.
func editAuths(path string, change func(auths map[string]json.RawMessage)) error {
	if path == "" {
		return errors.New("there is no home folder to keep logins in")
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a link to a file elsewhere stays one
	}
	doc, auths := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &doc); err != nil {
			return fmt.Errorf("not the JSON of docker or podman (%s)", jsonFault(err))
		}
		if raw, ok := doc["auths"]; ok {
			if err := json.Unmarshal(raw, &auths); err != nil || auths == nil {
				return errors.New("its auths are no table")
			}
		}
	}
	change(auths)
	if doc["auths"], err = json.Marshal(auths); err != nil {
		return err
	}
	if data, err = json.MarshalIndent(doc, "", "\t"); err != nil {
		return err
	}
	if err := durable.MkdirPrivate(filepath.Dir(path)); err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o600)
}
