package oktasim

import (
	"strconv"
	"strings"
)

// The names of what has no id.
var (
	permissions = []string{
		"okta.users.read", "okta.users.create", "okta.users.userprofile.manage", "okta.groups.read", "okta.groups.members.manage",
		"okta.apps.read", "okta.apps.assignment.manage", "okta.authzServers.read", "okta.iam.read", "okta.logs.read",
	}
	methods   = []string{"push", "signed_nonce", "totp", "otp", "sms", "voice", "email", "password", "webauthn", "security_question", "tac"}
	templates = []string{
		"ForgotPassword", "UserActivation", "SelfServiceUnlock", "EmailChallenge", "ChangeEmailConfirmation", "NewSignOnNotification",
		"PasswordChanged", "FactorEnrollment", "FactorReset", "AccountLockout", "RegistrationActivation", "ADForgotPassword",
		"ADSelfServiceUnlock", "ADUserActivation", "EmailFactorVerification", "LDAPForgotPassword", "LDAPUserActivation",
		"OktaVerifyActivation", "OIEEmailChallenge", "PendingEmailChange", "RegistrationEmailVerification", "TestEmail",
	}
	relations    = []string{"manager", "mentor", "assistant", "sponsor", "deputy"}
	contacts     = []string{"BILLING", "TECHNICAL"}
	provisioning = []string{"USER_PROVISIONING", "INBOUND_PROVISIONING"}
	languages    = []string{"en", "fr", "de", "ja", "pt-BR", "es"}
)

// roleTypes are those of one assignee's role assignments, each at most once.
var roleTypes = []string{
	"APP_ADMIN", "USER_ADMIN", "HELP_DESK_ADMIN", "CUSTOM", "READ_ONLY_ADMIN", "GROUP_MEMBERSHIP_ADMIN", "SUPER_ADMIN", "ORG_ADMIN",
}

// isRoles reports whether a collection's objects are role assignments.
func isRoles(c *collection) bool {
	return c.name == "user_roles" || c.name == "group_roles" || c.name == "client_roles"
}

// roleType returns the type of role assignment n.
func (o *Org) roleType(c *collection, n int) string {
	count := o.counts[c.name]
	return roleTypes[(n/count+n%count)%len(roleTypes)]
}

func (it *item) roleType() string { return it.Org.roleType(it.collection, it.i) }

// constant is the value of the parameter that the object is listed for, or the object that it is listed under.
func (it *item) constant() string {
	c, parent := it.collection, it.parent
	for c.constants == nil {
		c = collections[c.parent]
		parent = it.parentOf(c, parent)
	}
	return c.constants.values[parent]
}

// principal is whom a rate limit is of.
func (it *item) principal(dst []byte) []byte {
	c := collections["clients"]
	if it.constant() == "SSWS_TOKEN" {
		c = collections["api_tokens"]
	}
	return it.appendIdentity(dst, c, it.reference(c))
}

// grandparent returns the collection and the number of the object two levels up.
func (it *item) grandparent() (*collection, int) {
	of := collections[it.collection.parent]
	return collections[of.parent], it.parentOf(of, it.parent)
}

// orgURL begins the links of the org.
const orgURL = "https://acme.okta.com"

// identitySlots are placeholders of the collections that say who may do what, and how the org is set up.
var identitySlots = map[string]slot{
	"id": func(dst []byte, it *item) []byte { return it.appendIdentity(dst, it.collection, it.i) },
	"parent": func(dst []byte, it *item) []byte {
		return it.appendIdentity(dst, collections[it.collection.parent], it.parent)
	},
	"grandparent": func(dst []byte, it *item) []byte {
		c, i := it.grandparent()
		return it.appendIdentity(dst, c, i)
	},
	"constant":  constant((*item).constant),
	"principal": func(dst []byte, it *item) []byte { return it.principal(dst) },
	"#order":    func(dst []byte, it *item) []byte { return strconv.AppendInt(dst, int64(it.i%it.counts[it.name])+1, 10) },
	"language":  constant(func(it *item) string { return languages[it.i%it.counts[it.name]%len(languages)] }),
	"modulus": func(dst []byte, it *item) []byte {
		for k := range uint64(34) {
			dst = appendBase62(dst, mix(it.h+k), 10)
		}
		return dst
	},
	"deviceUpdated": func(dst []byte, it *item) []byte { return appendTime(dst, it.Org.deviceUpdated(it.i, it.revision)) },

	// Of a role assignment.
	"roleType":       constant((*item).roleType),
	"roleLabel":      constant(func(it *item) string { return roleLabel(it.roleType()) }),
	"assignmentType": constant(func(it *item) string { return strings.ToUpper(strings.TrimSuffix(it.collection.parent, "s")) }),
	"assignee": func(dst []byte, it *item) []byte {
		of := collections[it.collection.parent]
		dst = append(append(append(dst, orgURL...), of.path...), '/')
		return it.appendIdentity(dst, of, it.parent)
	},

	// Of a policy and its rules.
	"#policyConditions": func(dst []byte, it *item) []byte { return it.policyConditions(dst) },
	"#policySettings":   constant(func(it *item) string { return orNull(policySettings[it.constant()]) }),
	"ruleType":          constant(func(it *item) string { return ruleType(it.constant()) }),
	"#ruleConditions":   constant(func(it *item) string { return orNull(ruleConditions[it.constant()]) }),
	"#ruleActions":      constant(func(it *item) string { return ruleActions[it.constant()] }),

	// Of what can be provisioned to an app.
	"#capabilities": constant(func(it *item) string { return capabilities[it.i%it.counts[it.name]] }),

	// Of a log event that tells of a turn.
	"eventType": constant(func(it *item) string { k, _ := it.told(); return k.event }),
	"message":   constant(func(it *item) string { k, _ := it.told(); return k.message }),
	"#targets":  func(dst []byte, it *item) []byte { return it.appendTargets(dst) },
}

// roleLabel writes a type as Okta shows it.
func roleLabel(kind string) string {
	words := strings.Split(strings.ToLower(strings.TrimSuffix(kind, "_ADMIN")), "_")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ") + " Administrator"
}

func orNull(value string) string {
	if value == "" {
		return "null"
	}
	return value
}

// expansions append what the parameter expand adds to an object.
var expansions = map[string]slot{
	// Nobody or one or two people use a device.
	"devices": func(dst []byte, it *item) []byte {
		dst = append(dst, `{"users":[`...)
		for k := range it.h >> 40 % 3 {
			if k > 0 {
				dst = append(dst, ',')
			}
			owner := *it
			owner.h = mix(it.h + k)
			user := owner.reference(collections["users"])
			h := it.userHash(user)
			dst = append(dst, `{"managementStatus":"NOT_MANAGED","created":"`...)
			dst = it.before(dst, 30)
			dst = append(dst, `","screenLockType":null,"user":{"id":"`...)
			dst = it.appendIDOf(dst, "users", user)
			dst = append(dst, `","realmId":null,"profile":{"firstName":"`+given(h).shown+`","lastName":"`+family(h).shown+`","login":"`...)
			dst = it.appendLogin(dst, user)
			dst = append(dst, `","email":"`...)
			dst = it.appendLogin(dst, user)
			dst = append(dst, `"},"_links":{"self":{"href":"`+orgURL+`/api/v1/users/`...)
			dst = it.appendIDOf(dst, "users", user)
			dst = append(dst, `"}}}}`...)
		}
		return append(dst, `]}`...)
	},
}
