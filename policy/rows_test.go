package policy_test

import (
	"errors"
	"testing"

	"parley/mimitest/wirecase"
	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
)

// TestWireRows runs the golden cases of each component, valid and invalid, under the row that they prove.
func TestWireRows(t *testing.T) {
	suite := wirecase.Suite{Structures: structures(), Worked: map[string]func(*testing.T, wirecase.Case){
		"JoinLinksApply": joinLinksApply, "PreAuthAgainstRoles": preAuthAgainstRoles}}
	for row, names := range map[string][]string{
		"R-ROL-01": {"RoleData"}, "R-PRE-01": {"PreAuthData", "PreAuthAgainstRoles"}, "R-BAS-01": {"BaseRoomPolicy"},
		"R-STN-01": {"StatusNotificationPolicy"}, "R-JLP-01": {"JoinLinkPolicy"}, "R-JL-01": {"JoinLinksData", "JoinLinksUpdate", "JoinLinksApply"},
		"R-LPV-01": {"LinkPreviewPolicy"}, "R-AST-01": {"AssetPolicy"}, "R-LOG-01": {"LoggingPolicy"}, "R-HIS-01": {"HistoryPolicy"},
		"R-BOT-01": {"BotPolicy"}, "R-MEX-01": {"MessageExpiration"}, "R-OPR-01": {"OperationalParameters"},
	} {
		t.Run(row+" on the wire", func(t *testing.T) { suite.RunOf(t, "policy", names...) })
	}
	t.Run("R-STN-01 each of the two is one of three", func(t *testing.T) {
		for d := range 4 {
			for r := range 4 {
				err := syntax.Unmarshal([]byte{byte(d), byte(r)}, new(policy.StatusNotificationPolicy))
				if valid := d < 3 && r < 3; (err == nil) != valid {
					t.Errorf("%d, %d: %v", d, r, err)
				}
			}
		}
	})
	t.Run("R-CAP-19 capabilities of calls are carried", func(t *testing.T) {
		in := policy.RoleData{Roles: []policy.Role{{Index: 2, Capabilities: []policy.Capability{
			policy.CanStartCall, policy.CanJoinCall, policy.CanSendAudio, policy.CanReceiveAudio, policy.CanSendVideo, policy.CanReceiveVideo,
			policy.CanShareScreen, policy.CanViewScreen}}}}
		octets, err := syntax.Marshal(&in)
		if err != nil {
			t.Fatal(err)
		}
		var out policy.RoleData
		if err := syntax.Unmarshal(octets, &out); err != nil || len(out.Roles[0].Capabilities) != 8 {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

// TestValidRows has a valid and an invalid value for each rule of one component.
func TestValidRows(t *testing.T) {
	type value interface{ Validate() error }
	hub := policy.AssetPolicy{Location: policy.UploadHub}
	oneHub := policy.AssetPolicy{Location: policy.UploadHub, Domains: []policy.UploadDomain{{Provider: "a.example"}}}
	for name, c := range map[string]struct {
		good, bad value
		want      error
	}{
		"R-LPV-02 links are not found by order": {&policy.LinkPreviewPolicy{ProxyUse: policy.Forbidden},
			&policy.LinkPreviewPolicy{Autodetect: policy.Required, ProxyUse: policy.Forbidden}, policy.ErrAutodetect},
		"R-LPV-04 a proxy that is used is named": {&policy.LinkPreviewPolicy{ProxyUse: policy.Required, Proxy: []string{"https://a.example"}},
			&policy.LinkPreviewPolicy{ProxyUse: policy.Required}, policy.ErrProxy},
		"R-LPV-04 and not by nothing": {&policy.LinkPreviewPolicy{Proxy: []string{"https://a.example"}},
			&policy.LinkPreviewPolicy{Proxy: []string{""}}, policy.ErrProxy},
		"R-AST-02 uploads to the hub name its provider": {&oneHub, &hub, policy.ErrAssetHub},
		"R-AST-04 the default is not forbidden": {&policy.AssetPolicy{Forbidden: []policy.DownloadType{policy.DownloadOHTTP}},
			&policy.AssetPolicy{Forbidden: []policy.DownloadType{policy.DownloadDirect}}, policy.ErrDownloadType},
		"R-AST-04 nothing is allowed and forbidden": {&policy.AssetPolicy{Allowed: []policy.DownloadType{0}, Forbidden: []policy.DownloadType{1}},
			&policy.AssetPolicy{Allowed: []policy.DownloadType{0, 1}, Forbidden: []policy.DownloadType{1}}, policy.ErrDownloadType},
		"R-BOT-02 a bot beside one client has no role": {&policy.BotPolicy{Bots: []policy.Bot{{Local: true}, {Role: 2}}},
			&policy.BotPolicy{Bots: []policy.Bot{{Local: true, Role: 2}}}, policy.ErrBotRole},
		"R-HIS-02 outside and banned share nothing": {&policy.HistoryPolicy{Roles: []uint32{2}}, &policy.HistoryPolicy{Roles: []uint32{1}}, policy.ErrHistoryRole},
		"R-MEX-01 the bounds are in order":          {&policy.MessageExpiration{Minimum: 1, Maximum: 2}, &policy.MessageExpiration{Minimum: 2, Maximum: 1}, policy.ErrExpiration},
		"R-LOG-02 who logs is named": {&policy.LoggingPolicy{Logging: policy.Required, Clients: []string{"mimi://a.example/u/log"}},
			&policy.LoggingPolicy{Logging: policy.Required}, policy.ErrLoggingClient},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.good.Validate(); err != nil {
				t.Errorf("a good one: %v", err)
			}
			if err := c.bad.Validate(); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	t.Run("R-LOG-04 when somebody logs", func(t *testing.T) {
		who := []string{"mimi://a.example/u/log"}
		for want, list := range map[bool][]policy.LoggingPolicy{
			true:  {{Logging: policy.Optional, Clients: who}, {Logging: policy.Required, Clients: who}},
			false: {{Logging: policy.Optional}, {Logging: policy.Forbidden}},
		} {
			for _, l := range list {
				if l.Active() != want {
					t.Errorf("%+v", l)
				}
			}
		}
	})
	t.Run("R-PRE-01 a claim keeps its octets", func(t *testing.T) {
		in := policy.PreAuthData{Entries: []policy.PreAuthEntry{{Claims: []policy.Claim{{Credential: wire.X509Credential, ID: []byte{6, 1}, Value: []byte{0}}}}}}
		octets, err := syntax.Marshal(&in)
		if err != nil {
			t.Fatal(err)
		}
		var out policy.PreAuthData
		if err := syntax.Unmarshal(octets, &out); err != nil || string(out.Entries[0].Claims[0].ID) != "\x06\x01" {
			t.Errorf("%+v, %v", out, err)
		}
	})
}
