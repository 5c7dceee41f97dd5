//go:build pkcs11 && cgo

package pkcs11

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	p11 "github.com/miekg/pkcs11"
)

// What PKCS #11 3.0 has and the module's constants do not.
const (
	ckkEdwards           = 0x40
	ckmEdDSA             = 0x1057
	ckmEdwardsKeyPairGen = 0x1055
)

// errAbsent says that the token does not hold the object, or does not show it.
var errAbsent = errors.New("no such key on the token")

// session is a session with a token.
type session struct {
	*p11.Ctx
	handle p11.SessionHandle
	logged bool
}

// openSession loads the module and opens a session with the one token that is named.
func openSession(module string, u URI, write bool) (*session, error) {
	ctx := p11.New(module)
	if ctx == nil {
		return nil, fmt.Errorf("the module %s cannot be loaded: is it a PKCS #11 library for this machine?", module)
	}
	t := &session{Ctx: ctx}
	if err := ctx.Initialize(); err != nil {
		ctx.Destroy()
		return nil, fmt.Errorf("initialize %s: %w", module, err)
	}
	slot, err := t.slot(u)
	if err == nil {
		flags := uint(p11.CKF_SERIAL_SESSION)
		if write {
			flags |= p11.CKF_RW_SESSION
		}
		t.handle, err = ctx.OpenSession(slot, flags)
	}
	if err != nil {
		_ = ctx.Finalize()
		ctx.Destroy()
		return nil, err
	}
	return t, nil
}

// close ends the session. What fails now changes nothing.
func (t *session) close() {
	if t.logged {
		_ = t.Logout(t.handle)
	}
	_ = t.CloseSession(t.handle)
	_ = t.Finalize()
	t.Destroy()
}

// slot returns the slot of the one token that the URI names.
func (t *session) slot(u URI) (uint, error) {
	slots, err := t.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("list tokens: %w", err)
	}
	if len(slots) > MaxSlots {
		return 0, fmt.Errorf("%d tokens, at most %d are looked at", len(slots), MaxSlots)
	}
	var found []uint
	for _, slot := range slots {
		info, err := t.GetTokenInfo(slot)
		if err != nil || info.Flags&p11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		is := func(want, have string) bool { return want == "" || want == strings.TrimRight(have, " \x00") }
		if is(u.Token, info.Label) && is(u.Serial, info.SerialNumber) && is(u.Manufacturer, info.ManufacturerID) &&
			is(u.Model, info.Model) && (!u.HasSlot || u.Slot == slot) {
			found = append(found, slot)
		}
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("none of the module's %d tokens is this one", len(slots))
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("%d tokens are called so: name the one by serial or slot-id", len(found))
}

// login gives the token the PIN, once: a second attempt could lock it.
func (t *session) login(pin string) error {
	if pin == "" {
		return errors.New("the token wants a PIN: set HALLMARK_PKCS11_PIN, or name a file with pin-source")
	}
	err := t.Login(t.handle, p11.CKU_USER, pin)
	switch {
	case errors.Is(err, p11.Error(p11.CKR_PIN_INCORRECT)):
		return errors.New("the PIN is wrong; it was tried once, and too many attempts lock the token")
	case errors.Is(err, p11.Error(p11.CKR_PIN_LOCKED)):
		return errors.New("the PIN is locked: the security officer of the token must set it anew")
	case errors.Is(err, p11.Error(p11.CKR_USER_ALREADY_LOGGED_IN)):
		return nil
	case err != nil:
		return fmt.Errorf("log in: %w", err)
	}
	t.logged = true
	return nil
}

// find returns the one object of the class that the URI names.
func (t *session) find(class uint, u URI) (p11.ObjectHandle, error) {
	template := []*p11.Attribute{p11.NewAttribute(p11.CKA_CLASS, class)}
	if u.Object != "" {
		template = append(template, p11.NewAttribute(p11.CKA_LABEL, u.Object))
	}
	if len(u.ID) > 0 {
		template = append(template, p11.NewAttribute(p11.CKA_ID, u.ID))
	}
	if err := t.FindObjectsInit(t.handle, template); err != nil {
		return 0, fmt.Errorf("look for the key: %w", err)
	}
	found, _, err := t.FindObjects(t.handle, 2)
	if ferr := t.FindObjectsFinal(t.handle); err == nil {
		err = ferr
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("look for the key: %w", err)
	case len(found) == 0:
		return 0, errAbsent
	case len(found) > 1:
		return 0, errors.New("several keys on the token are called so: name the one by id")
	}
	return found[0], nil
}

// bytes returns an attribute of an object.
func (t *session) bytes(o p11.ObjectHandle, attribute uint) ([]byte, error) {
	got, err := t.GetAttributeValue(t.handle, o, []*p11.Attribute{p11.NewAttribute(attribute, nil)})
	if err != nil {
		return nil, fmt.Errorf("read attribute %#x: %w", attribute, err)
	}
	if len(got) != 1 {
		return nil, fmt.Errorf("read attribute %#x: %d came", attribute, len(got))
	}
	return got[0].Value, nil
}

// number returns an attribute that is a number in the byte order of this machine.
func (t *session) number(o p11.ObjectHandle, attribute uint) (uint, error) {
	have, err := t.bytes(o, attribute)
	if err != nil {
		return 0, err
	}
	for _, n := range []uint{p11.CKK_EC, p11.CKK_RSA, ckkEdwards} {
		if bytes.Equal(p11.NewAttribute(attribute, n).Value, have) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("keys of type %x are not supported: want ECDSA, RSA or Ed25519", have)
}

// sign signs the bytes, after the PIN once more where the key asks for it each time.
func (t *session) sign(private p11.ObjectHandle, mechanism uint, text []byte, pin string) ([]byte, error) {
	if err := t.SignInit(t.handle, []*p11.Mechanism{p11.NewMechanism(mechanism, nil)}, private); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if always, err := t.bytes(private, p11.CKA_ALWAYS_AUTHENTICATE); err == nil && len(always) == 1 && always[0] != 0 {
		if err := t.Login(t.handle, p11.CKU_CONTEXT_SPECIFIC, pin); err != nil {
			return nil, fmt.Errorf("log in for this signature: %w", err)
		}
	}
	sig, err := t.Sign(t.handle, text)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sig, nil
}
