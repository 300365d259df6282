package content_test

import (
	"encoding/hex"
	"testing"

	"parley/content"
)

func TestFramingRows(t *testing.T) {
	t.Run("X-CMT-02 a media type on the wire has neither quotes nor the backslashes of quoted pairs", func(t *testing.T) {
		name, key := hexOf("text/plain"), hexOf("charset")
		for text, value := range map[string]string{
			`text/plain;charset=UTF-8`:       "UTF-8",
			`text/plain ;charset="UTF-8"`:    "UTF-8",
			`text/plain;charset="a \"b\\ c"`: `a "b\ c`,
			`text/plain;charset="\U\T\F"`:    "UTF",
		} {
			parameter := "07" + key + hex.EncodeToString([]byte{byte(len(value))}) + hexOf(value)
			want := "0a" + name + hex.EncodeToString([]byte{byte(len(parameter) / 2)}) + parameter + "02" + hexOf("hi")
			if got := hex.EncodeToString(content.Frame(text, []byte("hi"))); got != want {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		}
	})
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }
