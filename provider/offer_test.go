package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"parley/credential"
	"parley/uri"
)

func offered(t testing.TB, change func(*Offer)) ([]byte, time.Time) {
	t.Helper()
	at, err := uri.ProviderFromDomain("b.example")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	ca, err := credential.NewCA(at, now, 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	o := OfferOf(at, &Keys{CA: ca}, Limits{}, now, 24*time.Hour)
	o.Authorities, o.Trust, o.Abuse = string(ca.CertPEM()), "webpki-any-eku", "abuse@b.example"
	if change != nil {
		change(o)
	}
	file, err := o.Sign(ca)
	if err != nil {
		t.Fatal(err)
	}
	return file, now
}

func TestOffer(t *testing.T) {
	file, now := offered(t, nil)
	o, print, err := OpenOffer(file, now)
	if err != nil || o.Domain != "b.example" || o.Limits.Notify != 5000 || len(print) != 39 {
		t.Fatalf("%+v, %q, %v", o, print, err)
	}
	for name, c := range map[string]struct {
		change func(*Offer)
		at     time.Duration
		want   error
	}{
		"expired":                 {nil, 25 * time.Hour, ErrOfferExpired},
		"not yet":                 {nil, -2 * time.Hour, ErrOfferExpired},
		"of another provider":     {func(o *Offer) { o.Domain = "c.example" }, 0, ErrOffer},
		"no authorities":          {func(o *Offer) { o.Authorities = "" }, 0, ErrOffer},
		"another form":            {func(o *Offer) { o.Version = 2 }, 0, ErrOfferVersion},
		"no trust":                {func(o *Offer) { o.Trust = "everybody" }, 0, ErrOffer},
		"private CA without one":  {func(o *Offer) { o.Trust = "private-ca" }, 0, ErrOffer},
		"pin that is none":        {func(o *Offer) { o.Trust, o.Pins = "pinned-spki", []string{"x"} }, 0, ErrOffer},
		"authorities that are no": {func(o *Offer) { o.Trust, o.TLSAuthorities = "private-ca", "x" }, 0, ErrOffer},
		"no domain":               {func(o *Offer) { o.Domain = "" }, 0, ErrOffer},
	} {
		file, now := offered(t, c.change)
		if _, _, err := OpenOffer(file, now.Add(c.at)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Signed by another authority than the one in it.
	var a, b signedOffer
	other, _ := offered(t, nil)
	if json.Unmarshal(file, &a) != nil || json.Unmarshal(other, &b) != nil {
		t.Fatal("not JSON")
	}
	a.Signature = b.Signature
	mixed, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenOffer(mixed, now); !errors.Is(err, ErrOfferSignature) {
		t.Errorf("another's signature: %v", err)
	}
	for i := range file {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		if o, again, err := OpenOffer(changed, now); err == nil && (o.Domain != "b.example" || again != print) {
			t.Fatalf("octet %d changed: %+v", i, o)
		}
	}
}

func FuzzOpenOffer(f *testing.F) {
	file, now := offered(f, nil)
	f.Add(file)
	f.Add([]byte(`{"parley_peering_offer":"e30=","signature":""}`))
	f.Fuzz(func(_ *testing.T, file []byte) {
		if _, _, err := OpenOffer(file, now); err != nil {
			return
		}
	})
}
