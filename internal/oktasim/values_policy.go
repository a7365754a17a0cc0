package oktasim

// What differs between the types of policies. A type that is not there has null.

// policySettings are the settings of a policy.
var policySettings = map[string]string{
	"PASSWORD": `{"password":{"complexity":{"minLength":12,"minLowerCase":1,"minUpperCase":1,"minNumber":1,"minSymbol":0,"excludeUsername":true,` +
		`"dictionary":{"common":{"exclude":false}},"excludeAttributes":[]},"age":{"maxAgeDays":0,"expireWarnDays":0,"minAgeMinutes":0,"historyCount":4},` +
		`"lockout":{"maxAttempts":10,"autoUnlockMinutes":0,"userLockoutNotificationChannels":[],"showLockoutFailures":false}},` +
		`"recovery":{"factors":{"recovery_question":{"status":"INACTIVE","properties":{"complexity":{"minLength":4}}},` +
		`"okta_email":{"status":"ACTIVE","properties":{"recoveryToken":{"tokenLifetimeMinutes":60}}},"okta_sms":{"status":"INACTIVE"},"okta_call":{"status":"INACTIVE"}}},` +
		`"delegation":{"options":{"skipUnlock":false}}}`,
	"MFA_ENROLL": `{"type":"AUTHENTICATORS","authenticators":[{"key":"okta_email","constraints":null,"enroll":{"self":"NOT_ALLOWED"}},` +
		`{"key":"okta_verify","enroll":{"self":"OPTIONAL"}},{"key":"okta_password","enroll":{"self":"REQUIRED"}}]}`,
}

// ofGroups are the types of policies that are for groups.
var ofGroups = map[string]string{
	"OKTA_SIGN_ON": "",
	"PASSWORD":     `,"authProvider":{"provider":"OKTA"}`,
	"MFA_ENROLL":   "",
}

// policyConditions appends for whom a policy is.
func (it *item) policyConditions(dst []byte) []byte {
	more, groups := ofGroups[it.constant()]
	if !groups {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"people":{"groups":{"include":["`...)
	dst = it.appendIDOf(dst, "groups", it.reference(collections["groups"]))
	return append(dst, `"]}}`+more+`}`...)
}

// ruleType is the type of the rules of a policy, which is that of the policy but for one.
func ruleType(policy string) string {
	if policy == "OKTA_SIGN_ON" {
		return "SIGN_ON"
	}
	return policy
}

// ruleConditions say when a rule applies.
var ruleConditions = map[string]string{
	"OKTA_SIGN_ON": `{"people":{"users":{"exclude":[]}},"network":{"connection":"ANYWHERE"},"authContext":{"authType":"ANY"},"risk":{"behaviors":[]},` +
		`"riskScore":{"level":"ANY"},"identityProvider":{"provider":"ANY"}}`,
	"PASSWORD":                    `{"people":{"users":{"exclude":[]}},"network":{"connection":"ANYWHERE"}}`,
	"MFA_ENROLL":                  `{"people":{"users":{"exclude":[]}},"network":{"connection":"ANYWHERE"}}`,
	"IDP_DISCOVERY":               `{"network":{"connection":"ANYWHERE"},"platform":{"include":[],"exclude":[]},"userIdentifier":{"patterns":[]},"app":{"include":[],"exclude":[]}}`,
	"POST_AUTH_SESSION":           `{"people":{"users":{"exclude":[]}}}`,
	"DEVICE_SIGNAL_COLLECTION":    `{"network":{"connection":"ANYWHERE"},"platform":{"include":[{"type":"MOBILE","os":{"type":"ANDROID"}}]}}`,
	"SESSION_VIOLATION_DETECTION": `{"network":{"connection":"ANYWHERE"},"riskScore":{"minRiskLevel":"LOW"}}`,
}

// ruleActions say what a rule does.
var ruleActions = map[string]string{
	"OKTA_SIGN_ON": `{"signon":{"access":"ALLOW","requireFactor":true,"factorPromptMode":"ALWAYS","rememberDeviceByDefault":false,"factorLifetime":15,` +
		`"primaryFactor":"PASSWORD_IDP_ANY_FACTOR","session":{"usePersistentCookie":false,"maxSessionIdleMinutes":120,"maxSessionLifetimeMinutes":0}}}`,
	"PASSWORD": `{"passwordChange":{"access":"ALLOW"},"selfServicePasswordReset":{"access":"ALLOW","requirement":{"primary":{"methods":["email"]},` +
		`"stepUp":{"required":false}}},"selfServiceUnlock":{"access":"DENY"}}`,
	"MFA_ENROLL":    `{"enroll":{"self":"CHALLENGE"}}`,
	"IDP_DISCOVERY": `{"idp":{"providers":[{"type":"OKTA"}],"idpSelectionType":"SPECIFIC","matchCriteria":null}}`,
	"ACCESS_POLICY": `{"appSignOn":{"access":"ALLOW","verificationMethod":{"factorMode":"2FA","type":"ASSURANCE","reauthenticateIn":"PT2H",` +
		`"constraints":[{"possession":{"required":true,"deviceBound":"REQUIRED"}}]}}}`,
	"PROFILE_ENROLLMENT": `{"profileEnrollment":{"access":"ALLOW","preRegistrationInlineHooks":null,"profileAttributes":[{"name":"email","label":"Email","required":true}],` +
		`"targetGroupIds":null,"unknownUserAction":"DENY","activationRequirements":{"emailVerification":true},"progressiveProfilingAction":"DISABLED"}}`,
	"POST_AUTH_SESSION":           `{"postAuthSession":{"failureActions":[]}}`,
	"ENTITY_RISK":                 `{"entityRisk":{"actions":[]}}`,
	"DEVICE_SIGNAL_COLLECTION":    `{"deviceSignalCollection":{"deviceContextProviders":[{"key":"OKTA_VERIFY","userIdentification":"IGNORE"}]}}`,
	"SESSION_VIOLATION_DETECTION": `{"sessionViolationDetection":{"policyEvaluation":{"enabled":true}}}`,
	"CLIENT_UPDATE":               `{"updateControls":{"actions":[{"action":"OKTA_VERIFY_UPDATE","value":"ALLOW"}]}}`,
	"IDENTITY_CLAIM_SOURCING":     `{"claimSourcing":{"redirectType":"IDP_DISCOVERY","refresh":null}}`,
}

// capabilities are those of an app's features, in the order of provisioning.
var capabilities = []string{
	`{"create":{"lifecycleCreate":{"status":"ENABLED"}},"update":{"profile":{"status":"ENABLED"},"lifecycleDeactivate":{"status":"ENABLED"},` +
		`"password":{"status":"DISABLED","seed":"RANDOM","change":"KEEP_EXISTING"}}}`,
	`{"importSettings":{"username":{"usernameFormat":"EMAIL","usernameExpression":""},"schedule":{"status":"DISABLED"}},` +
		`"importRules":{"userCreateAndMatch":{"exactMatchCriteria":"EMAIL","allowPartialMatch":false,"autoConfirmPartialMatch":false,` +
		`"autoConfirmExactMatch":false,"autoConfirmNewUsers":false,"autoActivateNewUsers":false}}}`,
}
