package client

import (
	"mime"
	"strings"

	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
)

// decodeAssetPolicy reads the component, if it is there.
func decodeAssetPolicy(data []byte, there bool) (*policy.AssetPolicy, error) {
	if !there {
		return nil, nil //nolint:nilnil // no policy is no failure
	}
	p := new(policy.AssetPolicy)
	if err := syntax.Unmarshal(data, p); err != nil {
		return nil, err
	}
	return p, p.Validate()
}

// mediaAllowed tells whether a media type is in the permitted list, if there is one, and not in the forbidden one (R-AST-06).
func mediaAllowed(p *policy.AssetPolicy, mediaType string) bool {
	kind, parameters, err := mime.ParseMediaType(mediaType)
	if err != nil || !strings.Contains(kind, "/") {
		return len(p.PermittedMedia) == 0 && len(p.ForbiddenMedia) == 0 // nobody can say what it is
	}
	for i := range p.ForbiddenMedia {
		if mediaFits(&p.ForbiddenMedia[i], kind, parameters) {
			return false
		}
	}
	for _, m := range p.PermittedMedia {
		if m != nil && mediaFits(m, kind, parameters) {
			return true
		}
	}
	return len(p.PermittedMedia) == 0
}

// mediaFits tells whether a listed type takes in another: the same name, and every parameter that is listed.
func mediaFits(m *wire.MediaType, kind string, parameters map[string]string) bool {
	if !strings.EqualFold(string(m.Type), kind) {
		return false
	}
	for _, want := range m.Parameters {
		got, ok := parameters[strings.ToLower(string(want.Name))]
		if !ok || !strings.EqualFold(got, string(want.Value)) {
			return false
		}
	}
	return true
}
