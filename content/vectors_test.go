package content_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"parley/content"
	"parley/internal/vectors"
	"parley/uri"
)

// vector is one case of testdata/mimi, see the README there.
type vector struct {
	Name, Structure, Invalid, Reason string
	Fields                           json.RawMessage
	Hex                              string
	SenderURI                        string          `json:"sender_uri"`
	RoomURI                          string          `json:"room_uri"`
	MessageID                        string          `json:"messageId"`
	Inputs                           json.RawMessage `json:"inputs"`
	Outputs                          struct {
		MessageID string `json:"messageId"`
	}
}

func load(t testing.TB, file string) []vector {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors.MIMI(t), file))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) == 0 {
		return nil
	}
	return b
}

func read[T any](t testing.TB, raw json.RawMessage) (v T) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

type jsonPart struct {
	Disposition content.Disposition
	Language    string
	Cardinality int
	ContentType string
	Content     string
	URL         string
	Expires     uint32
	Size        string
	EncAlg      uint16
	Key         string
	Nonce       string
	AAD         string
	HashAlg     uint8
	ContentHash string
	Description string
	Filename    string
	Semantics   content.Semantics `json:"partSemantics"`
	Parts       []jsonPart
}

type jsonMessage struct {
	Salt, TopicID       string
	Replaces, InReplyTo *string
	Expires             *content.Expires
	Extensions          [][2]json.RawMessage `json:"mimiExtensions"`
	NestedPart          jsonPart
}

func (p jsonPart) build(t testing.TB) content.Part {
	part := content.Part{Disposition: p.Disposition, Language: p.Language}
	switch p.Cardinality {
	case 1:
		part.Body = content.Single{ContentType: p.ContentType, Content: unhex(t, p.Content)}
	case 2:
		size, err := strconv.ParseUint(p.Size, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		part.Body = content.External{ContentType: p.ContentType, URL: p.URL, Expires: p.Expires, Size: size, AEAD: p.EncAlg,
			Key: unhex(t, p.Key), Nonce: unhex(t, p.Nonce), AAD: unhex(t, p.AAD), Hash: p.HashAlg,
			ContentHash: unhex(t, p.ContentHash), Description: p.Description, Filename: p.Filename}
	case 3:
		multi := content.Multi{Semantics: p.Semantics}
		for _, child := range p.Parts {
			multi.Parts = append(multi.Parts, child.build(t))
		}
		part.Body = multi
	}
	return part
}

func (m jsonMessage) build(t testing.TB) content.Message {
	message := content.Message{Topic: unhex(t, m.TopicID), Expires: m.Expires, Body: m.NestedPart.build(t)}
	copy(message.Salt[:], unhex(t, m.Salt))
	message.Replaces, message.InReplyTo = optionalID(t, m.Replaces), optionalID(t, m.InReplyTo)
	for _, e := range m.Extensions {
		key := read[struct {
			Int  int64
			Text string
		}](t, e[0])
		message.Extensions = append(message.Extensions,
			content.Extension{Key: content.Key{Int: key.Int, Text: key.Text}, Value: value(t, e[1])})
	}
	return message
}

// value reads the typed values of the vectors.
func value(t testing.TB, raw json.RawMessage) content.Value {
	t.Helper()
	for kind, inner := range read[map[string]json.RawMessage](t, raw) {
		switch kind {
		case "int":
			return content.IntValue(read[int64](t, inner))
		case "text":
			return content.TextValue(read[string](t, inner))
		case "bytes":
			return content.BytesValue(unhex(t, read[string](t, inner)))
		case "bool":
			return content.BoolValue(read[bool](t, inner))
		case "null":
			return content.NullValue()
		case "nan":
			return parse(t, "f97e00")
		case "array":
			var items []content.Value
			for _, item := range read[[]json.RawMessage](t, inner) {
				items = append(items, value(t, item))
			}
			return content.ArrayValue(items...)
		case "map":
			var entries []content.Entry
			for _, e := range read[[][2]json.RawMessage](t, inner) {
				entries = append(entries, content.Entry{Key: value(t, e[0]), Value: value(t, e[1])})
			}
			return content.MapValue(entries...)
		case "tag":
			pair := read[[2]json.RawMessage](t, inner)
			return content.TagValue(read[uint64](t, pair[0]), value(t, pair[1]))
		}
	}
	t.Fatalf("typed value %s", raw)
	return content.Value{}
}

func parse(t testing.TB, encoded string) content.Value {
	t.Helper()
	v, err := content.ParseValue(unhex(t, encoded))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func messageID(t testing.TB, s string) content.MessageID {
	t.Helper()
	return content.MessageID(unhex(t, s))
}

func optionalID(t testing.TB, s *string) *content.MessageID {
	if s == nil {
		return nil
	}
	id := messageID(t, *s)
	return &id
}

func TestContentVectors(t *testing.T) {
	count := 0
	for _, v := range load(t, "content.json") {
		t.Run(v.Structure+"/"+v.Name, func(t *testing.T) {
			switch {
			case v.Structure == "MessageID":
				checkID(t, v)
			case v.Invalid != "":
				checkRefused(t, v)
			default:
				checkMessage(t, v)
			}
		})
		count++
	}
	if count != 87 {
		t.Errorf("%d cases, expected 87", count)
	}
}

func checkMessage(t *testing.T, v vector) {
	want, octets := read[jsonMessage](t, v.Fields).build(t), unhex(t, v.Hex)
	encoded, err := want.Encode()
	if err != nil || !bytes.Equal(encoded, octets) {
		t.Fatalf("encoded to %x, %v", encoded, err)
	}
	got, err := content.Decode(octets)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("decoded to %+v", got)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	id, err := content.RawID(v.SenderURI, v.RoomURI, octets, got.Salt)
	if err != nil || id.String() != v.MessageID {
		t.Errorf("ID %s, %v", id, err)
	}
	if content.Text(got) == "" && want.Body.Body != nil && v.Name != "status-wrapped" && v.Name != "multi-1024-parts" {
		t.Error("no text")
	}
}

func checkRefused(t *testing.T, v vector) {
	m, err := content.Decode(unhex(t, v.Hex))
	if v.Invalid == "validate" {
		if err != nil {
			t.Fatalf("cannot be kept: %v", err)
		}
		err = m.Validate()
	}
	if err == nil {
		t.Fatalf("accepted: %s", v.Reason)
	}
	if _, typed := err.(content.Error); !typed {
		t.Errorf("error of type %T", err)
	}
}

func checkID(t *testing.T, v vector) {
	in := read[struct {
		SenderURI       string `json:"sender_uri"`
		RoomURI         string `json:"room_uri"`
		Content, Salt   string
		ApplicationData string `json:"application_data"`
	}](t, v.Inputs)
	octets := unhex(t, in.Content)
	if in.ApplicationData != "" {
		mediaType, inner, err := content.Unframe(unhex(t, in.ApplicationData))
		if err != nil || mediaType != content.MediaType {
			t.Fatal(mediaType, err)
		}
		octets = inner
	}
	m, err := content.Decode(octets)
	if err != nil {
		t.Fatal(err)
	}
	if in.Salt != "" && !bytes.Equal(m.Salt[:], unhex(t, in.Salt)) {
		t.Error("salt of the case is not that of the message")
	}
	id, err := content.RawID(in.SenderURI, in.RoomURI, octets, m.Salt)
	if err != nil || id.String() != v.Outputs.MessageID {
		t.Fatalf("ID %s, %v", id, err)
	}
}

func TestStatusVectors(t *testing.T) {
	count := 0
	for _, v := range load(t, "status.json") {
		t.Run(v.Structure+"/"+v.Name, func(t *testing.T) {
			if v.Structure == "DerivedValues" {
				checkDerived(t, v)
			} else {
				checkStatus(t, v)
			}
		})
		count++
	}
	if count != 17 {
		t.Errorf("%d cases, expected 17", count)
	}
}

func checkStatus(t *testing.T, v vector) {
	got, err := content.DecodeStatus(unhex(t, v.Hex))
	if v.Invalid == "validate" && err == nil {
		if len(got.Known()) != 0 {
			t.Error("entry kept")
		}
		err = got.Validate()
	}
	if v.Invalid != "" {
		if err == nil {
			t.Fatalf("accepted: %s", v.Reason)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var want content.StatusReport
	for _, s := range read[struct {
		Statuses []struct {
			MessageID string
			Status    content.Status
		}
	}](t, v.Fields).Statuses {
		want = append(want, content.StatusEntry{ID: messageID(t, s.MessageID), Status: s.Status})
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("decoded to %v", got)
	}
	if encoded := want.Encode(); hex.EncodeToString(encoded) != v.Hex {
		t.Fatalf("encoded to %x", encoded)
	}
}

func checkDerived(t *testing.T, v vector) {
	got, err := content.DecodeDerived(unhex(t, v.Hex))
	if v.Invalid != "" {
		if err == nil {
			t.Fatalf("accepted: %s", v.Reason)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	f := read[struct {
		MessageID, MLSGroupID                   string
		Accepted                                json.RawMessage `json:"hubAcceptedTimestamp"`
		SenderLeafIndex                         uint32
		SenderClientURL, SenderUserURL, RoomURL string
	}](t, v.Fields)
	want := content.Derived{ID: messageID(t, f.MessageID), Group: unhex(t, f.MLSGroupID), Leaf: f.SenderLeafIndex,
		Client: f.SenderClientURL, User: f.SenderUserURL, Room: f.RoomURL}
	millis := uint64(1767312000005) // of the extended time
	if f.Accepted[0] == '"' {
		if millis, err = strconv.ParseUint(read[string](t, f.Accepted), 10, 64); err != nil {
			t.Fatal(err)
		}
		want.Accepted = content.AcceptedAt(millis)
	} else {
		want.Accepted = value(t, f.Accepted)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("decoded to %+v", got)
	}
	if n, ok := got.Millis(); !ok || n != millis {
		t.Errorf("accepted at %d, %v", n, ok)
	}
	if encoded, err := want.Encode(); err != nil || hex.EncodeToString(encoded) != v.Hex {
		t.Fatalf("encoded to %x, %v", encoded, err)
	}
}

func TestPublishedVectors(t *testing.T) {
	dir := vectors.Dir(t, "mimi-content")
	count := 0
	for _, v := range load(t, "content-published.json") {
		count++
		t.Run(v.Name, func(t *testing.T) {
			in := read[struct {
				File      string
				SenderURI string `json:"sender_uri"`
				RoomURI   string `json:"room_uri"`
			}](t, v.Inputs)
			octets, err := os.ReadFile(filepath.Join(dir, filepath.Base(in.File)))
			if err != nil {
				t.Fatal(err)
			}
			sender, err := uri.ParseUser(in.SenderURI)
			if err != nil {
				t.Fatal(err)
			}
			room, err := uri.ParseRoom(in.RoomURI)
			if err != nil {
				t.Fatal(err)
			}
			m, err := content.Decode(octets)
			if err != nil {
				t.Fatal(err)
			}
			if id := content.ID(sender, room, octets, m.Salt); id.String() != v.Outputs.MessageID {
				t.Errorf("ID %s", id)
			}
			if id, err := m.ID(octets, sender, room); err != nil || id.String() != v.Outputs.MessageID {
				t.Errorf("ID %s by the message's own URIs, %v", id, err)
			}
		})
	}
	if count != 10 {
		t.Errorf("%d cases, expected 10", count)
	}
}
