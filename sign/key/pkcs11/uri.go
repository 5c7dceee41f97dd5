// Package pkcs11 uses keys on PKCS #11 tokens: hardware security modules, smart cards,
// and what looks like them. It is what the plug-in sigstore-kms-pkcs11 consists of,
// which needs cgo and the build tag pkcs11: hallmark itself stays one static program,
// and the module of the token, somebody else's native code, runs in a process of its
// own that has no part in what is decided.
//
// A key is named by a URI of RFC 7512:
//
//	pkcs11:token=release;object=signing?module-path=/usr/lib/softhsm/libsofthsm2.so
//
// token, serial, manufacturer, model and slot-id say which token, and object and id
// which key on it; each names exactly one. The module is named by module-path, or by
// HALLMARK_PKCS11_MODULE or COSIGN_PKCS11_MODULE_PATH in the environment. It is code that
// is run, and so is taken from nobody but the user: no policy file names a key this way.
//
// The PIN comes from HALLMARK_PKCS11_PIN or COSIGN_PKCS11_PIN in the environment, or from
// the file that pin-source names. pin-value, the PIN in the URI itself, is refused:
// everyone on the machine can read the arguments of a program, and names of keys
// stand in messages and logs.
package pkcs11

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// A URI says which token and which key on it.
type URI struct {
	Token, Serial, Manufacturer, Model string
	// Slot is the number of the slot, where HasSlot.
	Slot    uint
	HasSlot bool
	// Object is the label of the key, ID its identifier.
	Object string
	ID     []byte
	// Module is the path of the module, PINFile that of the file with the PIN.
	Module, PINFile string
}

// errPIN says that a PIN stands where all can read it. The text does not repeat it.
var errPIN = errors.New("the PIN stands in the name of the key (pin-value), where everyone on this machine can read it: " +
	"set HALLMARK_PKCS11_PIN, or name a file with pin-source")

// ParseURI reads the name of a key, with or without "pkcs11:" and slashes in front.
func ParseURI(name string) (URI, error) {
	var u URI
	if len(name) > MaxURI {
		return u, fmt.Errorf("a name of more than %d bytes", MaxURI)
	}
	if plugin.NamesPIN(name) {
		return u, errPIN
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(name, "pkcs11:"), "//")
	path, query, _ := strings.Cut(rest, "?")
	seen := make(map[string]bool)
	for _, part := range []struct{ text, sep string }{{path, ";"}, {query, "&"}} {
		for _, attribute := range strings.FieldsFunc(part.text, func(r rune) bool { return string(r) == part.sep }) {
			if err := u.attribute(attribute, part.sep == "&", seen); err != nil {
				return u, fmt.Errorf("key %q: %w", name, err)
			}
		}
	}
	switch {
	case u.Object == "" && len(u.ID) == 0:
		return u, fmt.Errorf("key %q: neither object, the label of the key, nor id is there", name)
	case u.Token == "" && u.Serial == "" && !u.HasSlot:
		return u, fmt.Errorf("key %q: no token is named: give token, serial or slot-id", name)
	case u.Module != "" && !filepath.IsAbs(u.Module):
		return u, fmt.Errorf("key %q: module-path is no absolute path", name)
	}
	return u, nil
}

// attribute reads one attribute of the path, or of the query.
func (u *URI) attribute(text string, query bool, seen map[string]bool) error {
	name, raw, ok := strings.Cut(text, "=")
	if !ok || seen[name] {
		return fmt.Errorf("%q is no attribute with a value, or stands there twice", name)
	}
	seen[name] = true
	value, err := url.PathUnescape(raw)
	if err != nil || value == "" || strings.ContainsRune(value, 0) && name != "id" {
		return fmt.Errorf("the value of %s is empty or wrongly encoded", name)
	}
	texts := map[string]*string{"token": &u.Token, "serial": &u.Serial, "manufacturer": &u.Manufacturer, "model": &u.Model, "object": &u.Object}
	if query {
		texts = map[string]*string{"module-path": &u.Module, "pin-source": &u.PINFile}
	}
	to := texts[name]
	switch {
	case name == "pin-source":
		u.PINFile, err = pinFile(value)
		return err
	case to != nil:
		*to = value
	case name == "id" && !query:
		u.ID = []byte(value)
	case name == "slot-id" && !query:
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fmt.Errorf("slot-id %q is no number", value)
		}
		u.Slot, u.HasSlot = uint(n), true
	case name == "type" && !query && value == "private":
	default:
		return fmt.Errorf("the attribute %q, or its value, is not supported", name)
	}
	return nil
}

// pinFile returns the path of a file: itself, or file:PATH as RFC 7512 has it.
func pinFile(value string) (string, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(value, "file:"), "//")
	if !filepath.IsAbs(path) {
		return "", errors.New("pin-source is neither file: with an absolute path nor such a path")
	}
	return path, nil
}

// String returns the token and the key, for messages. No PIN is in it, nor where one is.
func (u URI) String() string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"token", u.Token}, {"serial", u.Serial}, {"manufacturer", u.Manufacturer}, {"model", u.Model}, {"object", u.Object},
	} {
		if p.value != "" {
			parts = append(parts, p.name+"="+url.PathEscape(p.value))
		}
	}
	if u.HasSlot {
		parts = append(parts, fmt.Sprintf("slot-id=%d", u.Slot))
	}
	if len(u.ID) > 0 {
		digits := strings.ToUpper(hex.EncodeToString(u.ID))
		id := ""
		for i := 0; i < len(digits); i += 2 {
			id += "%" + digits[i:i+2]
		}
		parts = append(parts, "id="+id)
	}
	return "pkcs11:" + strings.Join(parts, ";")
}

// Options are what the world around the plug-in has.
type Options struct {
	LookupEnv func(string) (string, bool)
	// ReadFile reads a file of at most MaxPIN bytes.
	ReadFile func(name string) ([]byte, error)
}

func (o Options) env(names ...string) string {
	for _, name := range names {
		if v, ok := o.LookupEnv(name); ok && v != "" {
			return v
		}
	}
	return ""
}

// module returns the path of the module.
func (o Options) module(u URI) (string, error) {
	path := u.Module
	if path == "" {
		path = o.env("HALLMARK_PKCS11_MODULE", "COSIGN_PKCS11_MODULE_PATH")
	}
	switch {
	case path == "":
		return "", errors.New("no module: name the token's library with module-path in the URI, or in HALLMARK_PKCS11_MODULE")
	case !filepath.IsAbs(path):
		return "", fmt.Errorf("the module %q is no absolute path", path)
	}
	return path, nil
}

// pin returns the PIN, "" where there is none.
func (o Options) pin(u URI) (string, error) {
	if u.PINFile == "" {
		return o.env("HALLMARK_PKCS11_PIN", "COSIGN_PKCS11_PIN"), nil
	}
	raw, err := o.ReadFile(u.PINFile)
	if err != nil {
		return "", fmt.Errorf("read the PIN: %w", err)
	}
	pin := strings.TrimRight(string(raw), "\r\n")
	if pin == "" {
		return "", fmt.Errorf("the file %s holds no PIN", u.PINFile)
	}
	return pin, nil
}
