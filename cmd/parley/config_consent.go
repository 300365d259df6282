package main

import (
	"parley/consent"
	"parley/provider"
)

// consentConfig says who may add our users to rooms.
type consentConfig struct {
	Rule      string `toml:"rule"`       // for users who have said nothing: "open" (default), "own" or "ask"
	HideUsers bool   `toml:"hide_users"` // others cannot tell a user who does not consent from one who does not exist
}

func (c *consentConfig) defaults() {
	if c.Rule == "" {
		c.Rule = string(consent.Open)
	}
}

func (c *consentConfig) validate(add func(key, what, fix string)) {
	if !consent.Rule(c.Rule).Valid() {
		add("consent.rule", `is none of "open", "own" and "ask"`, "")
	}
}

func (c *consentConfig) consent() provider.Consent {
	return provider.Consent{Rule: consent.Rule(c.Rule), HideUsers: c.HideUsers}
}
