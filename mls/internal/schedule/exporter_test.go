package schedule

import (
	"bytes"
	"errors"
	"testing"

	"parley/mimitest/wirecase"
	"parley/mls/internal/state"
	"parley/mls/suite"
	"parley/mls/wire"
)

// disk is what deltas were written to.
type disk map[string][]byte

func (d disk) take(delta state.Delta) {
	for _, r := range delta {
		if r.Value == nil {
			delete(d, r.Key)
			continue
		}
		d[r.Key] = bytes.Clone(r.Value)
	}
}

func (d disk) get(key string) ([]byte, bool) {
	v, ok := d[key]
	return v, ok
}

func (d disk) holds(secret []byte) bool {
	for _, v := range d {
		if bytes.Contains(v, secret) {
			return true
		}
	}
	return false
}

func lookup(t testing.TB, id wire.CipherSuite) *suite.Suite {
	t.Helper()
	s, err := suite.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type exportCase struct {
	EpochSecret octets           `json:"epoch_secret"`
	Component   wire.ComponentID `json:"component_id"`
}

func TestSafeExport(t *testing.T) {
	s := lookup(t, suite.X25519AES128)
	t.Run("X-EXP-01 a component's secret is its leaf of a tree of 2^16 leaves", func(t *testing.T) {
		ran := 0
		for _, c := range wirecase.Load(t, "mls-extensions") {
			if c.Structure != "SafeExportSecret" {
				continue
			}
			ran++
			var in exportCase
			var out struct{ Root, Secret octets }
			wirecase.Into(t, c.Inputs, &in)
			wirecase.Into(t, c.Outputs, &out)
			e := fresh(t, s, in.EpochSecret)
			same(t, "root", e.export.secrets[e.export.root()], out.Root)
			secret, err := e.SafeExport(in.Component)
			if err != nil {
				t.Fatal(err)
			}
			same(t, c.Name, secret, out.Secret)
		}
		if ran == 0 {
			t.Error("no case")
		}
	})
	t.Run("X-EXP-02 once for each component, and what led to it is overwritten", func(t *testing.T) {
		e := fresh(t, s, make([]byte, 32))
		root := e.export.secrets[e.export.root()]
		first, err := e.SafeExport(7)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(root, make([]byte, len(root))) {
			t.Error("the root is still in memory")
		}
		if _, err := e.SafeExport(7); !errors.Is(err, ErrTaken) {
			t.Errorf("%v, want ErrTaken", err)
		}
		neighbour := e.export.secrets[2*6] // of component 6, which was derived beside that of 7
		second, err := e.SafeExport(6)
		if err != nil || bytes.Equal(first, second) {
			t.Errorf("a neighbour: %v", err)
		}
		if !bytes.Equal(neighbour, make([]byte, len(neighbour))) {
			t.Error("a leaf's secret is still in memory")
		}
		if bytes.Equal(second, make([]byte, len(second))) {
			t.Error("the secret given was overwritten too")
		}
	})
	t.Run("X-EXP-03 punctured also after a restart", func(t *testing.T) {
		e := fresh(t, s, make([]byte, 32))
		d := disk{}
		var whole state.Delta
		if err := e.Save("e/", &whole); err != nil {
			t.Fatal(err)
		}
		d.take(whole)
		root := bytes.Clone(d["e/x/"+nodeKey(e.export.root())])
		want, err := fresh(t, s, make([]byte, 32)).SafeExport(9)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.SafeExport(7); err != nil {
			t.Fatal(err)
		}
		d.take(e.TakeDelta("e/"))
		if d.holds(root) {
			t.Error("the root is still stored")
		}
		again, err := LoadEpoch(s, "e/", d.get)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.SafeExport(7); !errors.Is(err, ErrTaken) {
			t.Errorf("%v, want ErrTaken", err)
		}
		got, err := again.SafeExport(9)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "another component", got, want)
		d.take(again.TakeDelta("e/"))
		if d.holds(want) {
			t.Error("a secret that was given is still stored")
		}
	})
}

func fresh(t *testing.T, s *suite.Suite, secret []byte) *Epoch {
	t.Helper()
	e, err := Fresh(s, bytes.Clone(secret))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Whatever an epoch held is overwritten when it is wiped; retiring spares two secrets, which it hands over.
func TestEpochIsWiped(t *testing.T) {
	s := lookup(t, suite.X25519AES128)
	for _, retire := range []bool{false, true} {
		e := fresh(t, s, bytes.Repeat([]byte{7}, 32))
		old := e.secrets
		root := e.export.secrets[e.export.root()]
		var senderDataSecret, resumptionPSK []byte
		if retire {
			senderDataSecret, resumptionPSK = e.Retire()
		} else {
			e.Wipe()
		}
		for name, secret := range old {
			kept := retire && (secretName(name) == senderData || secretName(name) == resumption)
			if bytes.Equal(secret, make([]byte, len(secret))) == kept {
				t.Errorf("retire %v: %s", retire, secretLabels[name])
			}
		}
		if !bytes.Equal(root, make([]byte, len(root))) {
			t.Error("exporter tree")
		}
		if retire && (&senderDataSecret[0] != &old[senderData][0] || &resumptionPSK[0] != &old[resumption][0]) {
			t.Error("the secrets that were handed over are others")
		}
	}
	secret := bytes.Repeat([]byte{7}, 32)
	if _, err := Fresh(s, secret); err != nil || !bytes.Equal(secret, make([]byte, 32)) {
		t.Error("the epoch secret is still there")
	}
	if _, err := Fresh(s, secret[:31]); !errors.Is(err, ErrEpochSecret) {
		t.Errorf("%v, want ErrEpochSecret", err)
	}
}
