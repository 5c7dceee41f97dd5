package awskms

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSignatureV4: vectors of AWS's own test suite for Signature Version 4
// (get-vanilla, post-vanilla, post-x-www-form-urlencoded, get-header-value-order),
// and two requests to KMS as botocore 1.43 signs them.
func TestSignatureV4(t *testing.T) {
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	kms := map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.GetPublicKey"}
	for name, v := range map[string]struct {
		method, host, service, session, body string
		header                               map[string]string
		want                                 string
	}{
		"get-vanilla": {method: "GET", want: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"post-vanilla": {method: "POST",
			want: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		"post-x-www-form-urlencoded": {method: "POST", body: "Param1=value1", header: form,
			want: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		"get-header-key-duplicate": {method: "GET", header: map[string]string{"My-Header1": "value2,value2,value1"},
			want: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
		"kms": {method: "POST", host: "kms.us-east-1.amazonaws.com", service: "kms", body: `{"KeyId":"alias/release"}`, header: kms,
			want: "d397b590e5d06fc1deecedad8e6df525f79c7c335a579618e48a15c7e2a84b60"},
		"kms session": {method: "POST", host: "kms.us-east-1.amazonaws.com", service: "kms", session: "IQoJb3JpZ2luX2VjEXAMPLE",
			body: `{"KeyId":"alias/release"}`, header: kms,
			want: "759934af91d8cd091e3967f1881d2fdd39f53fed410524fe28975969b34f538f"},
	} {
		if v.host == "" {
			v.host, v.service = "example.amazonaws.com", "service"
		}
		req, err := http.NewRequestWithContext(t.Context(), v.method, "https://"+v.host+"/", strings.NewReader(v.body))
		if err != nil {
			t.Fatal(err)
		}
		for k, text := range v.header {
			req.Header.Set(k, text)
		}
		c := credential{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", v.session}
		c.sign(req, []byte(v.body), scope{"us-east-1", v.service}, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC))
		if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+v.want) {
			t.Errorf("%s: %s, not %s", name, got, v.want)
		}
	}
}
