package oktasim

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

const timeLayout = "2006-01-02T15:04:05.000Z"

func appendTime(dst []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(dst, timeLayout)
}

// person is a given or family name, as spelt in an address and as shown.
type person struct{ ascii, shown string }

var (
	givenNames = []person{
		{"alice", "Alice"}, {"jose", "José"}, {"zoe", "Zoë"}, {"priya", "Priya"}, {"lukasz", "Łukasz"}, {"wei", "薇"},
		{"omar", "Omar"}, {"soren", "Søren"}, {"maria", "María"}, {"john", "John"}, {"yuki", "雪"}, {"fatima", "Fatima"},
		{"ivan", "Иван"}, {"chloe", "Chloé"}, {"david", "David"}, {"anneliese", "Anneliese"},
	}
	familyNames = []person{
		{"smith", "Smith"}, {"garcia", "García"}, {"mueller", "Müller"}, {"okafor", "Okafor"}, {"oconnor", "O'Connor"},
		{"nguyen", "Nguyễn"}, {"petrov", "Петров"}, {"tanaka", "田中"}, {"silva", "Silva"}, {"jones", "Jones"},
		{"kowalski", "Kowalski"}, {"dubois", "Dubois"}, {"rossi", "Rossi"}, {"van-der-berg", "van der Berg"}, {"kim", "Kim"},
	}
	departments = []string{"Engineering", "Finance", "Sales", "Legal", "R&D", "Support", "Ventes & après-vente", "Facilities"}
	statuses    = []string{"ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE", "PROVISIONED", "STAGED", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED", "SUSPENDED", "ACTIVE"}
	agents      = []string{
		`{"rawUserAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36","os":"Mac OS X","browser":"CHROME"}`,
		`{"rawUserAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0","os":"Windows 10","browser":"EDGE"}`,
		`{"rawUserAgent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0","os":"Linux","browser":"FIREFOX"}`,
		`{"rawUserAgent":"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1","os":"iOS","browser":"SAFARI"}`,
	}
	places = []string{
		`{"city":"New York","state":"New York","country":"United States","postalCode":"10013","geolocation":{"lat":40.7157,"lon":-74.01}}`,
		`{"city":"München","state":"Bavaria","country":"Germany","postalCode":"80331","geolocation":{"lat":48.1371,"lon":11.5754}}`,
		`{"city":"S\u00e3o Paulo","state":"S\u00e3o Paulo","country":"Brazil","postalCode":"01000-000","geolocation":{"lat":-23.5505,"lon":-46.6333}}`,
		`{"city":"東京","state":"Tokyo","country":"Japan","postalCode":"100-0001","geolocation":{"lat":35.6850,"lon":139.7514}}`,
		`{"city":"London","state":"England","country":"United Kingdom","postalCode":"EC1A 1BB","geolocation":{"lat":51.5072,"lon":-0.1275}}`,
		`{"city":null,"state":null,"country":"Kenya","postalCode":null,"geolocation":{"lat":-1.0,"lon":38.0}}`,
	}
	networks = []string{"amazon", "google", "deutsche telekom ag", "comcast cable communications llc", "telefônica brasil s.a", "kddi"}
	outcomes = []string{
		`{"result":"SUCCESS","reason":null}`, `{"result":"SUCCESS","reason":null}`, `{"result":"ALLOW","reason":"Sign-on policy evaluation resulted in ALLOW"}`,
		`{"result":"FAILURE","reason":"INVALID_CREDENTIALS"}`, `{"result":"CHALLENGE","reason":"Sign-on policy evaluation resulted in CHALLENGE"}`,
	}
	labels = []string{"Payroll", "Wiki", "CRM", "Travel & Expense", "VPN", "Künstlerbedarf", "Source \\\"Control\\\"", "Helpdesk"}
)

func given(h uint64) person  { return givenNames[h%uint64(len(givenNames))] }
func family(h uint64) person { return familyNames[(h>>8)%uint64(len(familyNames))] }

// pick returns one of set by the random bits above shift.
func pick(set []string, h uint64, shift int) string { return set[(h>>shift)%uint64(len(set))] }

func (o *Org) userHash(user int) uint64 { return o.hash(collections["users"].salt, user) }

func (o *Org) appendLogin(dst []byte, user int) []byte {
	h := o.userHash(user)
	dst = append(dst, given(h).ascii...)
	dst = append(dst, '.')
	dst = append(dst, family(h).ascii...)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(user), 10)
	return append(dst, "@acme.example.com"...)
}

func (o *Org) userStatus(user int) string {
	if !present.has(user) {
		return "DEPROVISIONED"
	}
	return pick(statuses, o.userHash(user), 40)
}

func (o *Org) groupType(group int) string {
	switch {
	case group == 0:
		return "BUILT_IN"
	case group%4 == 3:
		return "APP_GROUP"
	default:
		return "OKTA_GROUP"
	}
}

// some returns an object of a collection that log events and links speak of.
func (it *item) some(collection string, shift int) int {
	return int((it.h >> shift) % uint64(max(1, it.counts[collection])))
}

func (it *item) appendIDOf(dst []byte, collection string, i int) []byte {
	return it.appendID(dst, collections[collection], i)
}

// before appends a time that is some days before the object's last update.
func (it *item) before(dst []byte, days int) []byte {
	return appendTime(dst, it.settled(it.h)-int64((it.h>>20)%1000)-int64(days)*day.Milliseconds())
}

func appendNumber(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }

func constant(choose func(it *item) string) slot {
	return func(dst []byte, it *item) []byte { return append(dst, choose(it)...) }
}

// slots are the placeholders that shapes may have.
var slots = map[string]slot{
	// Of any object.
	"number":  func(dst []byte, it *item) []byte { return appendNumber(dst, it.i) },
	"#number": func(dst []byte, it *item) []byte { return appendNumber(dst, it.i) },
	"label":   constant(func(it *item) string { return pick(labels, it.h, 32) }),
	"active": constant(func(it *item) string {
		if it.h>>12&7 == 0 {
			return "INACTIVE"
		}
		return "ACTIVE"
	}),
	"created":     func(dst []byte, it *item) []byte { return it.before(dst, 40) },
	"activated":   func(dst []byte, it *item) []byte { return it.before(dst, 39) },
	"lastUpdated": func(dst []byte, it *item) []byte { return appendTime(dst, it.settled(it.h)) },
	"ip":          func(dst []byte, it *item) []byte { return appendIP(dst, it.h) },
	"appId":       func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "apps", it.some("apps", 5)) },
	"clientId":    func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "clients", it.i) },
	"idpId":       func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "idps", it.i) },
	"zoneId":      func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "zones", it.i) },
	"ownAppId":    func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "apps", it.i) },
	"parentId":    func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "apps", it.parent) },

	// Of a person: the user itself, the actor of an event, an app's user.
	"userId":     func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "users", it.user) },
	"login":      func(dst []byte, it *item) []byte { return it.appendLogin(dst, it.user) },
	"first":      constant(func(it *item) string { return given(it.userHash(it.user)).shown }),
	"last":       constant(func(it *item) string { return family(it.userHash(it.user)).shown }),
	"department": constant(func(it *item) string { return pick(departments, it.h, 36) }),
	"revision":   func(dst []byte, it *item) []byte { return appendNumber(dst, it.revision) },
	"userStatus": constant(func(it *item) string { return it.userStatus(it.user) }),
	"userUpdated": func(dst []byte, it *item) []byte {
		return appendTime(dst, it.Org.userUpdated(it.user, it.revision))
	},
	"#lastLogin": func(dst []byte, it *item) []byte {
		if it.h>>30&3 == 0 {
			return append(dst, "null"...)
		}
		dst = append(dst, '"')
		dst = it.before(dst, 0)
		return append(dst, '"')
	},
	"#phone": func(dst []byte, it *item) []byte {
		if it.h>>33&1 == 0 {
			return append(dst, "null"...)
		}
		dst = append(dst, `"+1-555-`...)
		dst = strconv.AppendUint(dst, 100000+it.h>>40%900000, 10)
		return append(dst, '"')
	},

	// Of a group.
	"groupId":   func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "groups", it.i) },
	"groupType": constant(func(it *item) string { return it.groupType(it.i) }),
	"groupUpdated": func(dst []byte, it *item) []byte {
		return appendTime(dst, it.Org.groupUpdated(it.i, it.revision))
	},
	"membershipUpdated": func(dst []byte, it *item) []byte {
		return appendTime(dst, it.Org.membershipUpdated(it.i, it.revision, it.turns))
	},

	// Of a log event.
	"uuid":        func(dst []byte, it *item) []byte { return it.appendIdentity(dst, it.collection, it.i) },
	"published":   func(dst []byte, it *item) []byte { return appendTime(dst, it.timeline.published(it.i, it.h)) },
	"#geo":        constant(func(it *item) string { return pick(places, it.h, 14) }),
	"#agent":      constant(func(it *item) string { return pick(agents, it.h, 17) }),
	"isp":         constant(func(it *item) string { return pick(networks, it.h, 21) }),
	"#asn":        func(dst []byte, it *item) []byte { return strconv.AppendUint(dst, 1000+it.h>>23%60000, 10) },
	"#outcome":    constant(func(it *item) string { return pick(outcomes, it.h, 26) }),
	"requestId":   func(dst []byte, it *item) []byte { return appendHex(dst, mix(it.h+1), mix(it.h+2)) },
	"sessionId":   func(dst []byte, it *item) []byte { return appendSession(dst, it.h) },
	"deviceId":    func(dst []byte, it *item) []byte { return appendOther(dst, "guo", mix(it.h+5)) },
	"policyId":    func(dst []byte, it *item) []byte { return appendOther(dst, "00p", it.h%7) },
	"ruleId":      func(dst []byte, it *item) []byte { return appendOther(dst, "0pr", it.h%11) },
	"factorId":    func(dst []byte, it *item) []byte { return appendOther(dst, "pfd", mix(it.h+6)) },
	"typeId":      func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "user_types", 0) },
	"someGroupId": func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "groups", it.some("groups", 9)) },
	"someUserId":  func(dst []byte, it *item) []byte { return it.appendIDOf(dst, "users", it.some("users", 11)) },
	"someLogin":   func(dst []byte, it *item) []byte { return it.appendLogin(dst, it.some("users", 11)) },
}

func appendIP(dst []byte, h uint64) []byte {
	return fmt.Appendf(dst, "203.0.%d.%d", 113+h>>44%100, 1+h>>52%250)
}

func appendHex(dst []byte, x, y uint64) []byte {
	var raw [16]byte
	for k := range 8 {
		raw[k], raw[8+k] = byte(x>>(8*k)), byte(y>>(8*k))
	}
	return hex.AppendEncode(dst, raw[:])
}

func appendSession(dst []byte, h uint64) []byte {
	dst = append(dst, "idx"...)
	dst = appendBase62(dst, mix(h+3), 11)
	return appendBase62(dst, mix(h+4), 11)
}

// appendOther appends the id of something that is in no collection.
func appendOther(dst []byte, prefix string, x uint64) []byte {
	dst = append(dst, prefix...)
	dst = appendBase62(dst, mix(x), 10)
	dst = append(dst, "XqKb"...)
	return append(dst, idSuffix...)
}
