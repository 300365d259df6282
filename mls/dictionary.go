package mls

import (
	"parley/mls/wire"
	"parley/syntax"
)

// dictionaryOf returns the app_data_dictionary of a list of extensions (mls-extensions §4.6), empty when there is none.
func dictionaryOf(list wire.Extensions) (dictionary wire.AppDataDictionary, present bool, err error) {
	data, ok := list.Find(wire.AppDataDictionaryExtension)
	if !ok {
		return dictionary, false, nil
	}
	if err := syntax.Unmarshal(data, &dictionary); err != nil {
		return dictionary, true, because(RuleDictionary, err)
	}
	return dictionary, true, nil
}

// componentsList returns the data of app_components or safe_aad (mls-extensions §5).
func componentsList(dictionary *wire.AppDataDictionary, id wire.ComponentID) (list wire.ComponentsList, present bool, err error) {
	data, ok := dictionary.Find(id)
	if !ok {
		return list, false, nil
	}
	if err := syntax.Unmarshal(data, &list); err != nil {
		return list, true, because(RuleDictionary, err)
	}
	return list, true, nil
}

// checkAAD checks that authenticated data is exactly a SafeAAD when the group uses safe_aad, even with an empty list
// (mls-extensions §4.9, A-X3). Items are not judged.
func (g *PublicGroup) checkAAD(aad []byte) error { return checkSafeAAD(g.needs.safeAAD, aad) }

func checkSafeAAD(used bool, aad []byte) error {
	if !used {
		return nil
	}
	var safe wire.SafeAAD
	return because(RuleSafeAAD, syntax.Unmarshal(aad, &safe))
}

// lockedDictionary refuses a GroupContextExtensions proposal that touches the dictionary of a group which requires
// AppDataUpdate (mls-extensions §4.7, X-ADU-06): a byte-equal copy, or absent before and after.
func lockedDictionary(before, after wire.Extensions) error {
	required, err := requiredCapabilities(before)
	if err != nil {
		return err
	}
	locked := false
	for _, t := range required.Proposals {
		locked = locked || t == wire.AppDataUpdateProposal
	}
	old, had := before.Find(wire.AppDataDictionaryExtension)
	now, has := after.Find(wire.AppDataDictionaryExtension)
	if locked && (had != has || string(old) != string(now)) {
		return broken(RuleDictionaryLocked)
	}
	return nil
}

// updates gathers the AppDataUpdates of one component in commit order.
type updates struct {
	id      wire.ComponentID
	values  [][]byte
	removed bool
}

// gatherUpdates groups the AppDataUpdates of a commit by component, in the order in which the components first stand in it, and
// refuses a mixture of update and removal and two removals (X-ADU-03).
func gatherUpdates(list []Proposed) ([]*updates, error) {
	var order []*updates
	byID := map[wire.ComponentID]*updates{}
	for i := range list {
		u := list[i].Proposal.AppDataUpdate
		if list[i].Proposal.Type != wire.AppDataUpdateProposal {
			continue
		}
		g := byID[u.Component]
		if g == nil {
			g = &updates{id: u.Component}
			byID[u.Component] = g
			order = append(order, g)
		} else if g.removed || u.Operation == wire.RemoveAppData {
			return nil, broken(RuleComponentMixed)
		}
		if u.Operation == wire.RemoveAppData {
			g.removed = true
			continue
		}
		g.values = append(g.values, u.Update)
	}
	return order, nil
}

// applyComponents runs the AppEphemerals and then the AppDataUpdates of a commit (X-AEP-02, X-ADU-04) and returns the extensions
// with the new dictionary.
func (c *Config) applyComponents(list []Proposed, extensions wire.Extensions) (wire.Extensions, error) {
	dictionary, present, err := dictionaryOf(extensions)
	if err != nil {
		return nil, err
	}
	known, err := knownComponents(&dictionary)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Proposal.Type != wire.AppEphemeralProposal {
			continue
		}
		if err := c.checkEphemeral(known, list[i].Proposal.AppEphemeral); err != nil {
			return nil, err
		}
	}
	groups, err := gatherUpdates(list)
	if err != nil || len(groups) == 0 {
		return extensions, err
	}
	for _, g := range groups {
		if !known(g.id) {
			return nil, broken(RuleComponentUnknown)
		}
		if dictionary, err = c.applyUpdates(dictionary, g); err != nil {
			return nil, err
		}
	}
	if !present && len(dictionary.Entries) == 0 {
		return extensions, nil
	}
	data, err := marshal(&dictionary)
	if err != nil {
		return nil, err
	}
	return extensions.With(wire.AppDataDictionaryExtension, data), nil
}

// knownComponents tells which components the group uses: those that its app_components lists (A-X15). Without such a list they
// are those that have data already. app_components and safe_aad are part of the dictionary's own definition and always known,
// or else nobody could introduce them. Unknown components in leaves, KeyPackages and GroupInfos are ignored instead (A-X18).
func knownComponents(dictionary *wire.AppDataDictionary) (func(wire.ComponentID) bool, error) {
	list, listed, err := componentsList(dictionary, wire.AppComponentsComponent)
	if err != nil {
		return nil, err
	}
	before := *dictionary
	return func(id wire.ComponentID) bool {
		if id == wire.AppComponentsComponent || id == wire.SafeAADComponent {
			return true
		}
		if listed {
			return list.Has(id)
		}
		_, has := before.Find(id)
		return has
	}, nil
}

func (c *Config) checkEphemeral(known func(wire.ComponentID) bool, e *wire.AppEphemeral) error {
	if !known(e.Component) {
		return broken(RuleComponentUnknown)
	}
	if judge := c.Ephemeral[e.Component]; judge != nil {
		return because(RuleComponentRefused, judge(e.Data))
	}
	return nil
}

func (c *Config) applyUpdates(dictionary wire.AppDataDictionary, g *updates) (wire.AppDataDictionary, error) {
	current, present := dictionary.Find(g.id)
	if g.removed && !present {
		return dictionary, broken(RuleComponentAbsent)
	}
	logic := c.Components[g.id]
	if logic == nil {
		logic = replaceWhole
		switch g.id {
		case wire.AppComponentsComponent, wire.SafeAADComponent:
			logic = replaceComponentsList
		case wire.ContentMediaTypesComponent:
			logic = replaceMediaTypes
		}
	}
	next, err := logic(current, present, g.values)
	if err != nil {
		return dictionary, &Error{Rule: RuleComponentRefused, Err: err}
	}
	if g.removed {
		return dictionary.Without(g.id), nil
	}
	return dictionary.With(g.id, next), nil
}

// replaceWhole is the logic of a component whose update is its new value.
func replaceWhole(_ []byte, _ bool, updates [][]byte) ([]byte, error) {
	if len(updates) == 0 {
		return nil, nil
	}
	return updates[len(updates)-1], nil
}

func replaceComponentsList(current []byte, present bool, updates [][]byte) ([]byte, error) {
	for _, u := range updates {
		var list wire.ComponentsList
		if err := syntax.Unmarshal(u, &list); err != nil {
			return nil, err
		}
	}
	return replaceWhole(current, present, updates)
}
