package wire_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"parley/mls/wire"
	"parley/syntax"
)

// encodes checks that a value has exactly these octets and comes back from them.
func encodes[T any, P interface {
	*T
	syntax.Value
}](t *testing.T, v P, want string) {
	t.Helper()
	octets, err := syntax.Marshal(v)
	if err != nil || hex.EncodeToString(octets) != want {
		t.Errorf("%x, %v; want %s", octets, err, want)
		return
	}
	again := P(new(T))
	if err := syntax.Unmarshal(octets, again); err != nil {
		t.Error(err)
		return
	}
	if got, err := syntax.Marshal(again); err != nil || hex.EncodeToString(got) != want {
		t.Errorf("decoded and encoded %x, %v", got, err)
	}
}

// refuses checks that octets are no value of the type.
func refuses[T any, P interface {
	*T
	syntax.Value
}](t *testing.T, text string) {
	t.Helper()
	octets, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	if syntax.Unmarshal(octets, P(new(T))) == nil {
		t.Errorf("%s decodes", text)
	}
}

// The octets below were written by hand from the drafts' structures.
func TestRows(t *testing.T) {
	entry := func(id wire.ComponentID, data ...byte) wire.ComponentData {
		return wire.ComponentData{ID: id, Data: data}
	}
	t.Run("X-CID-01 a component ID has 16 bits", func(t *testing.T) {
		encodes(t, &wire.ComponentsList{IDs: []wire.ComponentID{1, 0x8000, 0xffff}}, "06"+"0001"+"8000"+"ffff")
		refuses[wire.ComponentsList](t, "03"+"000100")
	})
	t.Run("X-LBL-01 the label of a component's operation", func(t *testing.T) {
		label := wire.NewComponentOperationLabel(0x20, "x")
		encodes(t, &label, "0d4d4c5320436f6d706f6e656e7400200178")
		refuses[wire.ComponentOperationLabel](t, "0b4170706c69636174696f6e00200178")
	})
	t.Run("X-PSK-01 an application pre-shared key", func(t *testing.T) {
		encodes(t, &wire.PreSharedKeyID{Type: wire.ApplicationPSK, Component: 0x22, ID: []byte("id"), Nonce: []byte{9}}, "03"+"0022"+"026964"+"0109")
		refuses[wire.PreSharedKeyID](t, "04"+"0022"+"026964"+"0109")
	})
	t.Run("X-DIC-01 a dictionary is sorted", func(t *testing.T) {
		encodes(t, &wire.AppDataDictionary{Entries: []wire.ComponentData{entry(1, 7), entry(0x100)}}, "07"+"00010107"+"010000")
		refuses[wire.AppDataDictionary](t, "07"+"010000"+"00010107")
	})
	t.Run("X-DIC-02 a dictionary has one entry per component", func(t *testing.T) {
		refuses[wire.AppDataDictionary](t, "06"+"000100"+"000100")
	})
	t.Run("X-ADU-01 the two operations of AppDataUpdate", func(t *testing.T) {
		update := &wire.AppDataUpdate{Component: 0x23, Operation: wire.UpdateAppData, Update: []byte{0xc0}}
		encodes(t, &wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: update}, "0008"+"0023"+"01"+"01c0")
		gone := &wire.AppDataUpdate{Component: 0x23, Operation: wire.RemoveAppData}
		encodes(t, &wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: gone}, "0008"+"0023"+"02")
		for _, bad := range []string{"00230000", "00230300", "002301", "00230200"} {
			refuses[wire.AppDataUpdate](t, bad)
		}
	})
	t.Run("X-AAD-02 no items are one octet", func(t *testing.T) { encodes(t, &wire.SafeAAD{}, "00") })
	t.Run("X-NEG-03 wire formats are listed as 16-bit numbers", func(t *testing.T) {
		if wire.SupportedWireFormatsExtension != 7 || wire.RequiredWireFormatsExtension != 8 {
			t.Error("extension types")
		}
		encodes(t, &wire.WireFormats{Formats: []wire.WireFormat{2, 0xfafe}}, "04"+"0002"+"fafe")
		refuses[wire.WireFormats](t, "0100")
	})
	t.Run("X-CMT-06 an empty type keeps its parameter vector", func(t *testing.T) {
		encodes(t, &wire.ApplicationFraming{Content: []byte("hi")}, "00"+"00"+"026869")
		refuses[wire.ApplicationFraming](t, "00"+"04"+"01610162"+"00")
	})
	t.Run("X-CMT-07 long parameter lists and escapes parse", func(t *testing.T) {
		m := wire.MediaType{Type: []byte("text/plain")}
		for range 5000 {
			m.Parameters = append(m.Parameters, wire.Parameter{Name: []byte("n"), Value: []byte(`a "quoted\" \\value;, = `)})
		}
		octets, err := syntax.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		encodes(t, &m, hex.EncodeToString(octets))
	})
	t.Run("X-SR-01 SelfRemove has no body", func(t *testing.T) {
		encodes(t, &wire.Proposal{Type: wire.SelfRemoveProposal}, "000a")
		refuses[wire.Proposal](t, "000a00")
	})
	t.Run("X-MC-01 multi-credentials are carried", func(t *testing.T) {
		encodes(t, &wire.Credential{Type: wire.MultiCredential, Unknown: []byte{1, 2}}, "0003"+"020102")
		encodes(t, &wire.Credential{Type: wire.WeakMultiCredential}, "0004"+"00")
	})
	t.Run("X-TM-01 other wire formats are refused", func(t *testing.T) {
		for _, format := range []string{"0000", "0006", "0007"} {
			refuses[wire.Message](t, "0001"+format+"00")
		}
	})
	t.Run("X-RTO-01 the four ways of conveying a tree", func(t *testing.T) {
		encodes(t, &wire.RatchetTreeOption{Representation: wire.FullTree}, "0100")
		encodes(t, &wire.RatchetTreeOption{Representation: wire.TreeAtURI, URL: "https://a.example/t"}, "02"+"13"+hex.EncodeToString([]byte("https://a.example/t")))
		encodes(t, &wire.RatchetTreeOption{Representation: wire.TreeOutOfBand}, "03")
		encodes(t, &wire.RatchetTreeOption{Representation: wire.TreeFromDeliveryService}, "04")
		refuses[wire.RatchetTreeOption](t, "05")
		refuses[wire.RatchetTreeOption](t, "00")
	})
	t.Run("X-PGI-01 the part of a GroupInfo that a hub lacks", func(t *testing.T) {
		encodes(t, &wire.PartialGroupInfo{
			Presence: wire.NoRatchetTree, Extensions: wire.Extensions{{Type: 4, Data: []byte{1}}}, Signature: []byte{7},
		}, "00"+"04"+"00040101"+"0107")
		encodes(t, &wire.PartialGroupInfo{Presence: wire.RatchetTreeAdded}, "030000")
		refuses[wire.PartialGroupInfo](t, "040000")
	})
}

func TestMultiCredential(t *testing.T) {
	binding := wire.CredentialBinding{
		Suite: 1, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("x")}, Key: []byte{7}, Signature: []byte{8, 9},
	}
	for _, kind := range []wire.CredentialType{wire.MultiCredential, wire.WeakMultiCredential} {
		v, err := wire.NewMultiCredential(kind, []wire.CredentialBinding{binding})
		if err != nil {
			t.Fatal(err)
		}
		// type, then the vector of bindings: suite, credential, key, signature
		encodes(t, &v, "000"+string('0'+rune(kind))+"0b"+"0001"+"00010178"+"0107"+"020809")
		list, err := v.Bindings()
		if err != nil || len(list) != 1 || string(list[0].Credential.Identity) != "x" {
			t.Errorf("%v, %v", list, err)
		}
	}
	plain := wire.Credential{Type: wire.BasicCredential}
	if _, err := plain.Bindings(); err == nil {
		t.Error("a basic credential has bindings")
	}
	if _, err := wire.NewMultiCredential(wire.BasicCredential, nil); err == nil {
		t.Error("a basic credential is made of bindings")
	}
	bad := wire.Credential{Type: wire.MultiCredential, Unknown: []byte{1}}
	if _, err := bad.Bindings(); err == nil {
		t.Error("bindings that are none")
	}
}

func TestAppAck(t *testing.T) {
	var a wire.AppAck
	for _, g := range []uint32{5, 1, 0, 3, 4, 1<<32 - 1, 2, 9, 9} {
		a.Note(1, g)
	}
	a.Note(0, 7)
	a.Note(2, 0)
	want := []wire.ReceivedRange{{0, 7, 7}, {1, 0, 5}, {1, 9, 9}, {1, 1<<32 - 1, 1<<32 - 1}, {2, 0, 0}}
	if !slices.Equal(a.Ranges, want) {
		t.Fatalf("%v", a.Ranges)
	}
	claims := wire.AppAck{Ranges: []wire.ReceivedRange{{2, 0, 1}, {1, 8, 12}, {1, 0, 10}, {1, 4, 9}, {3, 0, 1<<32 - 1}, {1, 1<<32 - 2, 1<<32 - 1}}}
	want = []wire.ReceivedRange{{1, 6, 8}, {1, 10, 10}, {1, 11, 12}, {1, 1<<32 - 2, 1<<32 - 2}, {2, 1, 1}, {3, 0, 1<<32 - 1}}
	if got := a.Lacks(&claims); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
