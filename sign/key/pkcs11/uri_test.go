package pkcs11

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestParseURI reads names as RFC 7512 writes them; the first three are of its section 3.
func TestParseURI(t *testing.T) {
	for name, want := range map[string]URI{
		"pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;id=%69%95%3E%5C%F4%BD%EC%91?pin-source=file:/etc/token_pin": {
			Token: "The Software PKCS#11 Softtoken", Manufacturer: "Snake Oil, Inc.", Model: "1.0", Object: "my-certificate",
			ID: []byte{0x69, 0x95, 0x3e, 0x5c, 0xf4, 0xbd, 0xec, 0x91}, PINFile: "/etc/token_pin",
		},
		"pkcs11:token=Software%20PKCS%2311%20softtoken;object=my%20key;type=private;id=%00%01?module-path=/mnt/libmypkcs11.so": {
			Token: "Software PKCS#11 softtoken", Object: "my key", ID: []byte{0, 1}, Module: "/mnt/libmypkcs11.so",
		},
		"pkcs11:slot-id=327;id=%01":            {Slot: 327, HasSlot: true, ID: []byte{1}},
		"pkcs11://serial=DECC0401648;object=k": {Serial: "DECC0401648", Object: "k"},
		"token=t;object=k":                     {Token: "t", Object: "k"},
		"pkcs11:token=t;object=k?pin-source=/run/pin&module-path=/lib/m.so": {Token: "t", Object: "k", PINFile: "/run/pin", Module: "/lib/m.so"},
		"pkcs11:token=t;object=k?pin-source=file:///run/pin":                {Token: "t", Object: "k", PINFile: "/run/pin"},
		"pkcs11:token=a;object=a?module-path=/a":                            {Token: "a", Object: "a", Module: "/a"},
	} {
		if got, err := ParseURI(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestParseURIRefuses: what names no key, or more than can be told.
func TestParseURIRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"pkcs11:":                                        "neither object",
		"pkcs11:token=t":                                 "neither object",
		"pkcs11:object=k":                                "no token",
		"pkcs11:token=t;object=k;object=l":               "twice",
		"pkcs11:token=t;object":                          "no attribute",
		"pkcs11:token=;object=k":                         "empty",
		"pkcs11:token=%zz;object=k":                      "wrongly encoded",
		"pkcs11:token=%00;object=k":                      "wrongly encoded",
		"pkcs11:token=t;object=k;type=public":            "not supported",
		"pkcs11:token=t;object=k;x-vendor=1":             "not supported",
		"pkcs11:token=t;object=k;module-path=/m":         "not supported",
		"pkcs11:token=t;object=k?token=u":                "twice",
		"pkcs11:token=t;object=k?object2=u":              "not supported",
		"pkcs11:token=t;object=k?module-path=m.so":       "absolute",
		"pkcs11:token=t;object=k?module-name=softhsm2":   "not supported",
		"pkcs11:token=t;object=k?pin-source=pin":         "pin-source",
		"pkcs11:token=t;object=k?pin-source=|/bin/getit": "pin-source",
		"pkcs11:slot-id=-1;object=k":                     "no number",
		"pkcs11:slot-id=99999999999;object=k":            "no number",
		"pkcs11:token=" + strings.Repeat("t", MaxURI):    "more than",
	} {
		if u, err := ParseURI(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %+v, %v", name, u, err)
		}
	}
	for _, name := range []string{"pkcs11:token=t;object=k?pin-value=8642", "pkcs11:token=t;object=k;Pin-Value=8642", "pkcs11:token=t;object=k?pin%2Dvalue=8642"} {
		if _, err := ParseURI(name); !errors.Is(err, errPIN) || strings.Contains(err.Error(), "8642") {
			t.Errorf("a PIN in the name: %v", err)
		}
	}
}

// TestPIN: where the PIN and the module come from.
func TestPIN(t *testing.T) {
	env := map[string]string{}
	opts := Options{
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(name string) ([]byte, error) {
			if name == "/run/empty" {
				return []byte("\n"), nil
			}
			return []byte("8642\r\n"), nil
		},
	}
	if pin, err := opts.pin(URI{}); pin != "" || err != nil {
		t.Errorf("no PIN: %q, %v", pin, err)
	}
	if _, err := opts.module(URI{}); err == nil {
		t.Error("no module is a module")
	}
	env["COSIGN_PKCS11_PIN"], env["COSIGN_PKCS11_MODULE_PATH"] = "1", "/cosign.so"
	if pin, _ := opts.pin(URI{}); pin != "1" {
		t.Errorf("cosign's variable: %q", pin)
	}
	if m, _ := opts.module(URI{}); m != "/cosign.so" {
		t.Errorf("cosign's variable: %q", m)
	}
	env["HALLMARK_PKCS11_PIN"], env["HALLMARK_PKCS11_MODULE"] = "2", "hallmark.so"
	if pin, _ := opts.pin(URI{}); pin != "2" {
		t.Errorf("our own variable: %q", pin)
	}
	if _, err := opts.module(URI{}); err == nil {
		t.Error("a module of the working directory was taken")
	}
	if m, _ := opts.module(URI{Module: "/m.so"}); m != "/m.so" {
		t.Errorf("the URI's module: %q", m)
	}
	if pin, err := opts.pin(URI{PINFile: "/run/pin"}); pin != "8642" || err != nil {
		t.Errorf("a file: %q, %v", pin, err)
	}
	if _, err := opts.pin(URI{PINFile: "/run/empty"}); err == nil {
		t.Error("an empty file is a PIN")
	}
}

// FuzzParseURI: whatever is read comes out of String again, without module and PIN.
func FuzzParseURI(f *testing.F) {
	f.Add("pkcs11:token=a%3Bb;object=%25;id=%00?pin-source=/run/pin&module-path=/m")
	f.Add("pkcs11:slot-id=7;object=o")
	f.Fuzz(func(t *testing.T, name string) {
		u, err := ParseURI(name)
		if err != nil {
			return
		}
		again, err := ParseURI(u.String())
		u.Module, u.PINFile = "", ""
		if err != nil || !reflect.DeepEqual(again, u) {
			t.Errorf("%q: %+v, then %+v, %v", name, u, again, err)
		}
	})
}
