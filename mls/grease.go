package mls

import (
	"crypto/rand"
	"slices"

	"parley/mls/wire"
	"parley/syntax"
)

// greased returns parameters with random GREASE values in all the places that RFC 9420 §13.5 and mls-extensions §5.1 name: one in each list
// of capabilities, and one in each list of components, and in each dictionary, that is there. Receivers ignore them.
func (p KeyPackageParams) greased() (KeyPackageParams, error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return p, because(RuleRandom, err)
	}
	draw := func(n int) int { v := int(random[0]) % n; random = random[1:]; return v }
	value := func() uint16 { return 0x0a0a + 0x1010*uint16(draw(15)) }
	caps := &p.Capabilities
	caps.Suites = scatter(caps.Suites, wire.CipherSuite(value()), draw)
	caps.Extensions = scatter(caps.Extensions, wire.ExtensionType(value()), draw)
	caps.Proposals = scatter(caps.Proposals, wire.ProposalType(value()), draw)
	caps.Credentials = scatter(caps.Credentials, wire.CredentialType(value()), draw)
	component := func() wire.ComponentID { return wire.ComponentID(0x0a0a + 0x1010*uint16(draw(8))) } // below 0x8000 (A-X17)
	var err error
	if p.LeafExtensions, err = greaseDictionary(p.LeafExtensions, component); err != nil {
		return p, err
	}
	p.Extensions, err = greaseDictionary(p.Extensions, component)
	return p, err
}

// scatter returns the list with one more value at a random place. A value that is there already is left alone.
func scatter[T comparable](list []T, value T, draw func(int) int) []T {
	if slices.Contains(list, value) {
		return list
	}
	return slices.Insert(slices.Clone(list), draw(len(list)+1), value)
}

func greaseDictionary(list wire.Extensions, component func() wire.ComponentID) (wire.Extensions, error) {
	dictionary, present, err := dictionaryOf(list)
	if err != nil || !present {
		return list, err
	}
	for _, id := range []wire.ComponentID{wire.AppComponentsComponent, wire.SafeAADComponent} {
		components, has, err := componentsList(&dictionary, id)
		if err != nil {
			return nil, err
		}
		if !has {
			continue
		}
		components.IDs = append(slices.Clone(components.IDs), component())
		octets, err := syntax.Marshal(&components)
		if err != nil {
			return nil, because(RuleEncoding, err)
		}
		dictionary = dictionary.With(id, octets)
	}
	if id := component(); !has(&dictionary, id) {
		dictionary = dictionary.With(id, []byte{byte(id)})
	}
	octets, err := syntax.Marshal(&dictionary)
	if err != nil {
		return nil, because(RuleEncoding, err)
	}
	return list.With(wire.AppDataDictionaryExtension, octets), nil
}

func has(d *wire.AppDataDictionary, id wire.ComponentID) bool {
	_, ok := d.Find(id)
	return ok
}
