package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of Standard Webhooks.
const (
	headerID        = "webhook-id"
	headerTime      = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// tolerance is how far the time of a message may be away.
const tolerance = 5 * time.Minute

var (
	errSecret    = errors.New("webhook: the secret is not whsec_ and at least 24 octets in base64")
	errSignature = errors.New("webhook: no valid signature")
)

// parseSecret reads whsec_ and base64.
func parseSecret(s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 {
		return nil, errSecret
	}
	return key, nil
}

func mac(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

// sign puts the headers on a request.
func sign(to http.Header, key []byte, id string, now time.Time, body []byte) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	to.Set(headerID, id)
	to.Set(headerTime, timestamp)
	to.Set(headerSignature, "v1,"+base64.StdEncoding.EncodeToString(mac(key, id, timestamp, body)))
}

// verify judges the headers of a request and returns its id.
func verify(from http.Header, key []byte, now time.Time, body []byte) (id string, err error) {
	id, timestamp := from.Get(headerID), from.Get(headerTime)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || len(id) > 256 || strings.Contains(id, ".") || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return "", errSignature
	}
	want := mac(key, id, timestamp, body)
	for one := range strings.FieldsSeq(from.Get(headerSignature)) {
		version, text, _ := strings.Cut(one, ",")
		got, err := base64.StdEncoding.DecodeString(text)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return id, nil
		}
	}
	return "", errSignature
}
