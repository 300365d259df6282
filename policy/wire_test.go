package policy_test

import (
	"errors"
	"testing"

	"parley/mimitest/wirecase"
	"parley/mls/wire"
	"parley/policy"
	"parley/syntax/syntaxtest"
)

type object = wirecase.Object

func number(v *uint32) any { return *v }

func roleFields(v *policy.Role) any {
	return object{
		"role_index": v.Index, "role_name": v.Name, "role_description": v.Description,
		"role_capabilities":           wirecase.Same(v.Capabilities),
		"minimum_participants":        v.Minimum,
		"maximum_participants":        wirecase.Optional(v.Maximum, number),
		"minimum_active_participants": v.MinimumActive,
		"maximum_active_participants": wirecase.Optional(v.MaximumActive, number),
		"authorized_role_changes": wirecase.List(v.Changes, func(c *policy.RoleChange) any {
			return object{"from": c.From, "targets": wirecase.Same(c.Targets)}
		}),
	}
}

func claimFields(v *policy.Claim) any {
	return object{"credential_type": v.Credential, "id": wirecase.Hex(v.ID), "claim_value": wirecase.Hex(v.Value)}
}

func mediaTypeFields(v *wire.MediaType) any {
	return object{"type": string(v.Type), "parameters": wirecase.List(v.Parameters, func(p *wire.Parameter) any {
		return object{"name": string(p.Name), "value": string(p.Value)}
	})}
}

func capabilitiesFields(v *policy.ExtendedCapabilities) any {
	return object{
		"versions": wirecase.Same(v.Versions), "cipher_suites": wirecase.Same(v.Suites), "extensions": wirecase.Same(v.Extensions),
		"proposals": wirecase.Same(v.Proposals), "credentials": wirecase.Same(v.Credentials),
		"wire_formats": wirecase.Same(v.WireFormats), "component_ids": wirecase.Same(v.Components),
		"safe_aad_types": wirecase.Same(v.SafeAAD), "media_types": wirecase.List(v.MediaTypes, mediaTypeFields),
		"content_types": wirecase.Numbers(v.ContentTypes),
	}
}

func timesFields(v *policy.Times) any {
	return object{"minimum_time": wirecase.U64(v.Minimum), "default_time": wirecase.U64(v.Default), "maximum_time": wirecase.U64(v.Maximum)}
}

func pendingFields(v *policy.PendingProposalPolicy) any {
	out := object{"strategy": v.Strategy}
	if v.Strategy == policy.PendingRandomDelay {
		out["minimum_delay_ms"] = wirecase.U64(v.MinimumDelay)
		out["maximum_delay_ms"] = wirecase.U64(v.MaximumDelay)
	}
	return out
}

func operationalFields(v *policy.OperationalParameters) any {
	return object{
		"mandatory_capabilities": capabilitiesFields(&v.Mandatory), "default_capabilities": capabilitiesFields(&v.Default),
		"forbidden_capabilities": capabilitiesFields(&v.Forbidden), "handshake_formats": wirecase.Same(v.HandshakeFormats),
		"external_proposal_allowed": v.ExternalProposals, "external_commit_allowed": v.ExternalCommits,
		"pending_proposal_policy": pendingFields(&v.Pending), "leafnode_update_time": timesFields(&v.LeafUpdate),
		"app_message_policy": object{"epoch_tolerance": v.Messages.EpochTolerance, "pad_to_size": v.Messages.PadTo,
			"max_generations_skipahead": v.Messages.MaxSkip},
		"max_kp_lifetime": wirecase.U64(v.MaxKeyPackageLifetime), "max_credential_lifetime": wirecase.U64(v.MaxCredentialLifetime),
		"resumption_psk_lifetime":       wirecase.U64(v.ResumptionPSKLifetime),
		"sender_nonce_keypair_lifetime": timesFields(&v.SenderKeyPairLifetime), "max_keypairs": v.MaxKeyPairs,
		"buffer_incoming_message_time": timesFields(&v.BufferTime), "max_buffered_messages": v.MaxBufferedMessages,
	}
}

func assetFields(v *policy.AssetPolicy) any {
	return object{
		"asset_upload_location": v.Location,
		"upload_domains": wirecase.List(v.Domains, func(d *policy.UploadDomain) any {
			return object{"provider": d.Provider, "asset_upload_destinations": wirecase.Same(d.Destinations)}
		}),
		"allowed_download_types": wirecase.Numbers(v.Allowed), "forbidden_download_types": wirecase.Numbers(v.Forbidden),
		"default_download_type": v.Default, "max_image": wirecase.U64(v.MaxImage), "max_audio": wirecase.U64(v.MaxAudio),
		"max_video": wirecase.U64(v.MaxVideo), "max_attachment": wirecase.U64(v.MaxAttachment),
		"forbidden_media_types": wirecase.List(v.ForbiddenMedia, mediaTypeFields),
		"permitted_media_types": wirecase.List(v.PermittedMedia, func(m **wire.MediaType) any {
			return wirecase.Optional(*m, mediaTypeFields)
		}),
	}
}

func linkPreviewFields(v *policy.LinkPreviewPolicy) any {
	out := object{"autodetect_hyperlinks_in_text": v.Autodetect, "send_link_previews": v.Send,
		"automatic_link_previews": v.Automatic, "link_preview_proxy_use": v.ProxyUse}
	if v.ProxyUse != policy.Forbidden {
		out["link_preview_proxy"] = wirecase.Same(v.Proxy)
	}
	return out
}

func loggingFields(v *policy.LoggingPolicy) any {
	out := object{"logging": v.Logging}
	if v.Logging != policy.Forbidden {
		out["logging_clients"] = wirecase.Same(v.Clients)
		out["machine_readable_policy"] = v.MachineReadable
		out["human_readable_policy"] = v.HumanReadable
	}
	return out
}

func historyFields(v *policy.HistoryPolicy) any {
	out := object{"history_sharing": v.Sharing}
	if v.Sharing != policy.Forbidden {
		out["roles_that_can_share"] = wirecase.Same(v.Roles)
		out["automatically_share"] = v.Automatically
		out["max_time_period"] = v.MaxPeriod
	}
	return out
}

func expirationFields(v *policy.MessageExpiration) any {
	out := object{"expiring_messages": v.Expiring}
	if v.Expiring != policy.Forbidden {
		out["min_expiration_duration"] = v.Minimum
		out["max_expiration_duration"] = v.Maximum
		out["default_expiration_duration"] = wirecase.Optional(v.Default, number)
	}
	return out
}

func structures() map[string]wirecase.Structure {
	return map[string]wirecase.Structure{
		"RoleData": wirecase.Of(func(v *policy.RoleData) any {
			return object{"roles": wirecase.List(v.Roles, roleFields)}
		}, func(_ string, v *policy.RoleData) error { return v.Validate() }),
		"PreAuthData": wirecase.Of(func(v *policy.PreAuthData) any {
			return object{"preauthorized_entries": wirecase.List(v.Entries, func(e *policy.PreAuthEntry) any {
				return object{"claimset": wirecase.List(e.Claims, claimFields), "target_role": roleFields(&e.Role)}
			})}
		}, nil),
		"BaseRoomPolicy": wirecase.Of(func(v *policy.BaseRoomPolicy) any {
			return object{"fixed_membership": v.FixedMembership, "parent_dependant": v.ParentDependent,
				"parent_room": wirecase.Same(v.ParentRoom), "multi_device": v.MultiDevice,
				"max_clients": wirecase.Optional(v.MaxClients, number), "max_users": wirecase.Optional(v.MaxUsers, number),
				"pseudonyms_allowed": v.PseudonymsAllowed, "persistent_room": v.Persistent, "discoverable": v.Discoverable,
				"policy_component_ids": wirecase.Same(v.Components)}
		}, func(_ string, v *policy.BaseRoomPolicy) error { return v.Validate() }),
		"StatusNotificationPolicy": wirecase.Of(func(v *policy.StatusNotificationPolicy) any {
			return object{"delivery_notifications": v.Delivery, "read_receipts": v.Read}
		}, nil),
		"JoinLinkPolicy": wirecase.Of(func(v *policy.JoinLinkPolicy) any {
			return object{"on_request": v.OnRequest, "join_link": v.Link, "multiuser": v.MultiUser, "expiration": v.Expiration}
		}, nil),
		"JoinLinksData": wirecase.Of(func(v *policy.JoinLinksData) any {
			return object{"links": wirecase.Same(v.Links)}
		}, nil),
		"JoinLinksUpdate": wirecase.Of(func(v *policy.JoinLinksUpdate) any {
			return object{"removedIndices": wirecase.Same(v.Removed), "added_links": wirecase.Same(v.Added)}
		}, nil),
		"LinkPreviewPolicy": wirecase.Of(linkPreviewFields, func(_ string, v *policy.LinkPreviewPolicy) error { return v.Validate() }),
		"AssetPolicy":       wirecase.Of(assetFields, func(_ string, v *policy.AssetPolicy) error { return v.Validate() }),
		"LoggingPolicy":     wirecase.Of(loggingFields, func(_ string, v *policy.LoggingPolicy) error { return v.Validate() }),
		"HistoryPolicy":     wirecase.Of(historyFields, func(_ string, v *policy.HistoryPolicy) error { return v.Validate() }),
		"BotPolicy": wirecase.Of(func(v *policy.BotPolicy) any {
			return object{"allowed_bots": wirecase.List(v.Bots, func(b *policy.Bot) any {
				return object{"name": b.Name, "description": b.Description, "homepage": b.Homepage, "local_client_bot": b.Local,
					"bot_role_index": b.Role, "can_target_message_in_group": b.MayTarget, "per_user_content": b.PerUser}
			})}
		}, func(_ string, v *policy.BotPolicy) error { return v.Validate() }),
		"MessageExpiration": wirecase.Of(expirationFields, func(_ string, v *policy.MessageExpiration) error { return v.Validate() }),
		"OperationalParameters": wirecase.Of(operationalFields, func(_ string, v *policy.OperationalParameters) error {
			return v.Validate()
		}),
	}
}

func TestVectors(t *testing.T) {
	wirecase.Suite{
		Structures: structures(),
		Worked: map[string]func(*testing.T, wirecase.Case){
			"JoinLinksApply":      joinLinksApply,
			"PreAuthAgainstRoles": preAuthAgainstRoles,
		},
	}.Run(t, "policy")
}

func joinLinksApply(t *testing.T, c wirecase.Case) {
	var in struct {
		Before    []string
		UpdateHex string `json:"update_hex"`
	}
	var out struct {
		Valid    bool
		AfterHex string `json:"after_hex"`
	}
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	var update policy.JoinLinksUpdate
	wirecase.Decode(t, in.UpdateHex, &update)
	before := policy.JoinLinksData{Links: in.Before}
	after, err := before.Apply(&update)
	if (err == nil) != out.Valid {
		t.Fatalf("valid %v, want %v", err == nil, out.Valid)
	}
	if out.Valid && wirecase.Encode(&after) != out.AfterHex {
		t.Fatalf("got %v", after)
	}
}

func preAuthAgainstRoles(t *testing.T, c wirecase.Case) {
	var in struct {
		Roles   string `json:"roles_list"`
		PreAuth string `json:"preauth_list"`
	}
	var out struct{ Valid bool }
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	var roles policy.RoleData
	var pre policy.PreAuthData
	wirecase.Decode(t, in.Roles, &roles)
	wirecase.Decode(t, in.PreAuth, &pre)
	if err := pre.ValidateAgainst(&roles); (err == nil) != out.Valid {
		t.Fatalf("valid %v, want %v", err == nil, out.Valid)
	}
}

func TestValidate(t *testing.T) {
	five := uint32(5)
	zero := uint32(0)
	roles := policy.RoleData{Roles: []policy.Role{{Index: 2}, {Index: 3, MaximumActive: &zero}}}
	for name, c := range map[string]struct{ got, want error }{
		"minimum above maximum":        {(&policy.RoleData{Roles: []policy.Role{{Index: 2, Minimum: 6, Maximum: &five}}}).Validate(), policy.ErrRoleBounds},
		"active minimum above maximum": {(&policy.RoleData{Roles: []policy.Role{{Index: 2, MinimumActive: 6, MaximumActive: &five}}}).Validate(), policy.ErrRoleBounds},
		"link removed twice":           {second((&policy.JoinLinksData{Links: []string{"a"}}).Apply(&policy.JoinLinksUpdate{Removed: []uint32{0, 0}})), policy.ErrLinkTwice},
		"parent without flag":          {(&policy.BaseRoomPolicy{ParentRoom: []string{"mimi://a.example/r/x"}}).Validate(), policy.ErrParentRoom},
		"allowed and forbidden":        {(&policy.AssetPolicy{Allowed: []policy.DownloadType{0, 1}, Forbidden: []policy.DownloadType{1}}).Validate(), policy.ErrDownloadType},
		"default not allowed":          {(&policy.AssetPolicy{Allowed: []policy.DownloadType{1}}).Validate(), policy.ErrDownloadType},
		"permitted type absent":        {(&policy.AssetPolicy{PermittedMedia: []*wire.MediaType{nil}}).Validate(), policy.ErrMissingMedia},
		"expiry bounds":                {(&policy.MessageExpiration{Minimum: 2, Maximum: 1}).Validate(), policy.ErrExpiration},
		"expiry default":               {(&policy.MessageExpiration{Maximum: 1, Default: &five}).Validate(), policy.ErrExpiration},
		"times":                        {(&policy.OperationalParameters{LeafUpdate: policy.Times{Minimum: 1}}).Validate(), policy.ErrTimes},
		"history of no role":           {(&policy.HistoryPolicy{Roles: []uint32{9}}).ValidateAgainst(&roles), policy.ErrHistoryRole},
		"history of inactive role":     {(&policy.HistoryPolicy{Roles: []uint32{3}}).ValidateAgainst(&roles), policy.ErrHistoryRole},
		"history of a role":            {(&policy.HistoryPolicy{Roles: []uint32{2}}).ValidateAgainst(&roles), nil},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func second(_ policy.JoinLinksData, err error) error { return err }

func FuzzRoleData(f *testing.F) { syntaxtest.RoundTrip[policy.RoleData](f, seeds(f, "RoleData")...) }

func FuzzPreAuthData(f *testing.F) {
	syntaxtest.RoundTrip[policy.PreAuthData](f, seeds(f, "PreAuthData")...)
}

func FuzzBaseRoomPolicy(f *testing.F) {
	syntaxtest.RoundTrip[policy.BaseRoomPolicy](f, seeds(f, "BaseRoomPolicy")...)
}

func FuzzAssetPolicy(f *testing.F) {
	syntaxtest.RoundTrip[policy.AssetPolicy](f, seeds(f, "AssetPolicy")...)
}

func FuzzOperationalParameters(f *testing.F) {
	syntaxtest.RoundTrip[policy.OperationalParameters](f, seeds(f, "OperationalParameters")...)
}

// FuzzSmallPolicies feeds one input to every small component.
func FuzzSmallPolicies(f *testing.F) {
	for name := range structures() {
		for _, s := range seeds(f, name) {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		syntaxtest.Check[policy.JoinLinkPolicy](t, data)
		syntaxtest.Check[policy.JoinLinksData](t, data)
		syntaxtest.Check[policy.JoinLinksUpdate](t, data)
		syntaxtest.Check[policy.LinkPreviewPolicy](t, data)
		syntaxtest.Check[policy.LoggingPolicy](t, data)
		syntaxtest.Check[policy.HistoryPolicy](t, data)
		syntaxtest.Check[policy.BotPolicy](t, data)
		syntaxtest.Check[policy.MessageExpiration](t, data)
		syntaxtest.Check[policy.StatusNotificationPolicy](t, data)
	})
}

func seeds(t testing.TB, structure string) [][]byte {
	var out [][]byte
	for _, c := range wirecase.Load(t, "policy") {
		if c.Structure == structure && c.Inputs == nil {
			out = append(out, wirecase.Bytes(t, c.Hex))
		}
	}
	return out
}
