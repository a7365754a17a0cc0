package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"okta-collector/internal/okta"
	"okta-collector/internal/redact"
	"okta-collector/internal/secret"
)

var (
	// memberPath matches the names of members with dots between them. A name has none of the characters that JSON spells with
	// escapes, and none that separate the items of OKTA_REDACT.
	memberPath = regexp.MustCompile(`^[^.,:=@"\\/\s\pC][^.,:="\\/\pC]*(\.[^.,:="\\/\pC]+)*$`)
	// eventType matches the types of the System Log's events, such as user.authentication.auth_via_IDP.
	eventType = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$`)
)

// maxMember bounds the path of a member in bytes. The longest of Okta's has less than 100.
const maxMember = 200

// redact returns what OKTA_REDACT says about the members of each service.
func (t tenant) redact() map[string][]redact.Rule {
	items, err := splitList(t.Redact)
	if err != nil {
		t.wrong("OKTA_REDACT", "%v", err)
	}
	rules := map[string][]redact.Rule{}
	for _, item := range items {
		service, rule, err := redaction(item)
		member, _, _ := strings.Cut(item, "=")
		switch {
		case err != nil:
			t.wrong("OKTA_REDACT", "has %s, %v", secret.Shown(member), err)
			continue
		case slices.ContainsFunc(rules[service], func(r redact.Rule) bool { return r.Path == rule.Path }):
			t.wrong("OKTA_REDACT", "has %s twice", secret.Shown(member))
		case rule.Action == redact.Join && t.RedactKeyFile == "":
			t.wrong("OKTA_REDACT", "has %s=hash, and %s is missing; want the file of the key that values are hashed with",
				secret.Shown(member), t.variable("OKTA_REDACT_KEY_FILE"))
		}
		rules[service] = append(rules[service], rule)
	}
	if len(rules) == 0 {
		return nil
	}
	return rules
}

// redaction reads an item of OKTA_REDACT. Its error continues a sentence about the item.
func redaction(item string) (service string, rule redact.Rule, err error) {
	member, how, told := strings.Cut(item, "=")
	service, rule.Path, _ = strings.Cut(member, ":")
	collection, known := okta.Lookup(service)
	switch {
	case !known:
		return "", rule, fmt.Errorf("which is about no service; want service:member; %s", okta.Suggestion(service))
	case told && how != "hash":
		return "", rule, errors.New("which is followed by = and not by =hash; want the member alone to remove it, or with =hash")
	case len(rule.Path) > maxMember || !memberPath.MatchString(rule.Path):
		return "", rule, errors.New("which names no member; want the names that lead to it with dots, such as profile.mobilePhone")
	case redact.IsKey(rule.Path) || rule.Path == collection.Key:
		return "", rule, errors.New("which the collector needs to tell objects apart; want another member")
	case told && slices.Contains(collection.Secret, rule.Path):
		return "", rule, errors.New("which is a secret and hashed in another way; leave it out, or name it without =hash to remove it")
	}
	if rule.Action = redact.Remove; told {
		rule.Action = redact.Join
	}
	return service, rule, nil
}

// redactKey returns the key in OKTA_REDACT_KEY_FILE.
func (t tenant) redactKey() (key secret.Secret) {
	if t.RedactKeyFile == "" {
		return key
	}
	key = secret.File(t.RedactKeyFile)
	value, err := key.Read()
	if err == nil {
		_, err = redact.NewKey(value, t.name)
	}
	if err != nil {
		t.wrong("OKTA_REDACT_KEY_FILE", "cannot be used: %v; want a file with a random key, such as that of openssl rand -hex 32", err)
	}
	return key
}

// dropEvents returns the types in OKTA_DROP_EVENTS.
func (t tenant) dropEvents() []string {
	types, err := splitList(t.DropEvents)
	if err != nil {
		t.wrong("OKTA_DROP_EVENTS", "%v", err)
	}
	for _, name := range types {
		if !eventType.MatchString(name) {
			t.wrong("OKTA_DROP_EVENTS", "has %s, which is no type of events; want types such as user.session.start", secret.Shown(name))
		}
	}
	return types
}
