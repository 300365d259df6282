package server

import (
	"encoding/json"
	"reflect"
	"testing"

	"parley/clientapi/api"
)

// fuzzJSON requires that whatever decodes decodes again to the same after encoding, and that encoding/json reads the same from it.
func fuzzJSON[T any](f *testing.F, seeds ...string) {
	f.Helper()
	for _, s := range append(seeds, "", "{}", "null", `{"a":1}`, `{"cursor":1}{}`, `{"cursor":null}`, "[[[[", `{"\ud800":1}`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v, again, loose T
		if decodeJSON(body, &v) != nil {
			return
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeJSON(text, &again); err != nil || !reflect.DeepEqual(v, again) {
			t.Fatalf("%q decoded to %+v and its encoding %q to %+v: %v", body, v, text, again, err)
		}
		if err := json.Unmarshal(body, &loose); err != nil || !reflect.DeepEqual(v, loose) {
			t.Fatalf("%q is %+v strictly and %+v otherwise: %v", body, v, loose, err)
		}
	})
}

func FuzzEnrolRequest(f *testing.F) {
	fuzzJSON[api.EnrolRequest](f, `{"code":"A","device":"phone","suite":1,"csr":"AQID"}`, `{"code":"A","Device":"phone","suite":1,"csr":""}`)
}

func FuzzRenewRequest(f *testing.F) { fuzzJSON[api.RenewRequest](f, `{"suite":65535,"csr":"AQID"}`) }

func FuzzAck(f *testing.F) { fuzzJSON[api.Ack](f, `{"cursor":18446744073709551615}`, `{"cursor":1e3}`) }
