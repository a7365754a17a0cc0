package okta

import (
	"slices"
	"strings"

	"okta-collector/internal/jsontext"
)

// A deletion is a type of event of the System Log that says that an object was deleted.
type deletion struct {
	event string
	// of is the collection that listed the object.
	of string
	// object is the type of the targets that are the objects. Empty: the event's only target is the object.
	object string
	// under are the types of the targets that are the object's parents, by the collection's levels. Empty: the level adds no
	// member.
	under []string
}

// The types of targets, as events of real orgs have them.
const (
	userTarget   = "User"
	groupTarget  = "UserGroup"
	appTarget    = "AppInstance"
	policyTarget = "PolicyEntity"
	ruleTarget   = "PolicyRule"
	tokenTarget  = "Token"

	// onlyTarget is for events of which no public source shows the targets. If such an event has several, none is taken for
	// the object.
	onlyTarget = ""
)

// deletions are from Okta's catalog of event types, 2026.08. docs/queries.md names the deletions that have no record.
var deletions = []deletion{
	{event: "user.lifecycle.delete.completed", of: "users", object: userTarget},
	{event: "group.lifecycle.delete", of: "groups", object: groupTarget},
	{event: "system.import.group.delete", of: "groups", object: groupTarget},
	{event: "application.lifecycle.delete", of: "apps", object: appTarget},
	// The target AppUser has an id of its own, by which no list names the assignment.
	{event: "application.user_membership.remove", of: "app_users", object: userTarget, under: []string{appTarget}},
	{event: "group.application_assignment.remove", of: "app_groups", object: groupTarget, under: []string{appTarget}},
	{event: "group.user_membership.remove", of: "group_members", object: userTarget, under: []string{groupTarget}},
	// The user has no role any more, whether assigned or through a group.
	{event: "user.account.privilege.revoke", of: "role_assignees", object: userTarget},
	{event: "policy.lifecycle.delete", of: "policies", object: policyTarget, under: []string{""}},
	{event: "policy.rule.delete", of: "policy_rules", object: ruleTarget, under: []string{"", policyTarget}},
	{event: "system.api_token.revoke", of: "api_tokens", object: tokenTarget},

	{event: "app.oauth2.client.lifecycle.delete", of: "clients", object: onlyTarget},
	{event: "device.assurance.policy.delete", of: "device_assurances", object: onlyTarget},
	{event: "device.lifecycle.delete", of: "devices", object: onlyTarget},
	{event: "device.posture.check.delete", of: "device_posture_checks", object: onlyTarget},
	{event: "device.push.provider.delete", of: "push_providers", object: onlyTarget},
	{event: "event_hook.deleted", of: "event_hooks", object: onlyTarget},
	{event: "iam.resourceset.delete", of: "resource_sets", object: onlyTarget},
	{event: "iam.role.delete", of: "roles", object: onlyTarget},
	{event: "inline_hook.deleted", of: "inline_hooks", object: onlyTarget},
	{event: "integration.api_service.lifecycle.revoke", of: "api_services", object: onlyTarget},
	{event: "oauth2.as.deleted", of: "auth_servers", object: onlyTarget},
	{event: "pam.service_account.delete", of: "service_accounts", object: onlyTarget},
	{event: "security.behavior.settings.delete", of: "behaviors", object: onlyTarget},
	{event: "security.events.provider.delete", of: "security_events_providers", object: onlyTarget},
	{event: "security.trusted_origin.delete", of: "trusted_origins", object: onlyTarget},
	{event: "system.brand.delete", of: "brands", object: onlyTarget},
	{event: "system.captcha.delete", of: "captchas", object: onlyTarget},
	{event: "system.custom_email_server.lifecycle.delete", of: "email_servers", object: onlyTarget},
	{event: "system.custom_url_domain.delete", of: "domains", object: onlyTarget},
	{event: "system.email_domain.delete", of: "email_domains", object: onlyTarget},
	{event: "system.hook.key.deleted", of: "hook_keys", object: onlyTarget},
	{event: "system.idp.lifecycle.delete", of: "idps", object: onlyTarget},
	{event: "system.log_stream.lifecycle.delete", of: "log_streams", object: onlyTarget},
	{event: "zone.delete", of: "zones", object: onlyTarget},
}

// deletionOf finds a deletion by the type of its event.
var deletionOf = func() map[string]*deletion {
	all := make(map[string]*deletion, len(deletions))
	for i, d := range deletions {
		all[d.event] = &deletions[i]
	}
	return all
}()

// DeletionEvents returns the types of the events that say that something was deleted, with the service that lists it.
func DeletionEvents() map[string]string {
	all := make(map[string]string, len(deletions))
	for _, d := range deletions {
		all[d.event] = d.of
	}
	return all
}

const (
	// maxDeleted bounds the deleted objects of one event, maxDeletedOnPage those of a page. Okta's events name one or a few.
	maxDeleted       = 64
	maxDeletedOnPage = 10_000
	// maxStamp bounds an event's uuid and the text of its time, in bytes. Okta's have 36 and 24.
	maxStamp = 64
)

// Deleted is an object of which an event of the System Log says that it was deleted. Its ids have at most 256 bytes each, the
// other texts 64, and they need no escapes in JSON.
type Deleted struct {
	// Service names the collection that listed the object.
	Service string
	ID      string
	// Parents are the members that the collection adds to the object.
	Parents []Member
	// Event is the event's uuid. Published is when the event says that it was published. They are empty if they are no such
	// texts.
	Event, Published string

	at int // the event's place on the page
}

// Member is a member that the collector adds to an object: the id of a parent.
type Member struct{ Name, ID string }

// Deleted are the deleted objects of the events Objects[from:to]. Events that are not shipped count as in [Page.Dropped].
func (p *Page) Deleted(from, to int) []Deleted {
	place := func(d Deleted, at int) int { return d.at - at }
	first, _ := slices.BinarySearchFunc(p.deleted, p.begin(from), place)
	end, _ := slices.BinarySearchFunc(p.deleted, p.end(to), place)
	return p.deleted[first:end]
}

// readDeleted reads which objects the page's events say were deleted.
func (p *Page) readDeleted() {
	lacking := 0 // events of which not every object is known
	for i := range p.all[p.done:] {
		e := &p.all[p.done+i]
		if e.deletes == nil || !succeeded(e.raw) {
			continue
		}
		found := e.deletes.in(e.raw)
		room := min(maxDeleted, maxDeletedOnPage-len(p.deleted))
		if len(found) == 0 || len(found) > room {
			lacking++
		}
		for _, d := range found[:min(len(found), room)] {
			d.at = p.done + i
			p.deleted = append(p.deleted, d)
		}
	}
	if lacking > 0 {
		p.warn(WarnDeleted, "%d events on a page say that something was deleted, and name no id or too many: the table of deletions lacks it", lacking)
	}
}

// succeeded reports whether an event's outcome is a success, or says nothing.
func succeeded(event []byte) bool {
	result := string(rawMember(rawMember(event, "outcome"), "result"))
	return result == "" || result == "null" || result == `"SUCCESS"`
}

// in returns the objects that an event says were deleted, each with each of the parents. Of more than maxDeleted, it returns
// one more than that.
func (d *deletion) in(event []byte) (all []Deleted) {
	collection, _ := catalog.Lookup(d.of) // a test checks that the catalog has it
	targets := rawMember(event, "target")
	parents := [][]Member{nil}
	for i, kind := range d.under {
		if kind == "" {
			continue
		}
		var longer [][]Member
		for _, id := range idsOf(targets, kind) {
			for _, outer := range parents {
				longer = append(longer, append(slices.Clip(outer), Member{collection.Under[i].Member, id}))
			}
		}
		parents = longer
	}
	uuid, published := plainMember(event, "uuid", maxStamp), plainMember(event, "published", maxStamp)
	for _, id := range idsOf(targets, d.object) {
		for _, under := range parents {
			all = append(all, Deleted{Service: d.of, ID: id, Parents: under, Event: uuid, Published: published})
			if len(all) > maxDeleted {
				return all
			}
		}
	}
	return all
}

// idsOf returns the usable ids of the targets of a type, without duplicates. Of more than maxDeleted, it returns one more than
// that.
func idsOf(targets []byte, kind string) (ids []string) {
	n := 0
	for target := range jsontext.Elements(targets) {
		n++
		if kind != onlyTarget && member(target, "type") != kind {
			continue
		}
		id := plainMember(target, "id", maxID)
		if id != "" && len(ids) <= maxDeleted && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if kind == onlyTarget && n != 1 {
		return nil
	}
	return ids
}

// plainMember returns the text of a member like an id, of at most so many bytes: it could be part of a path, and needs no
// escapes in JSON. It is empty if the member has no such text.
func plainMember(object []byte, name string, most int) string {
	if text := member(object, name); len(text) <= most && usableID(text) && !strings.ContainsRune(text, '"') {
		return text
	}
	return ""
}

// member returns the text of a member of an object; empty if that is no string of at most maxID bytes.
func member(object []byte, name string) string {
	value := rawMember(object, name)
	if len(value) < 2 || value[0] != '"' || len(value) > 6*maxID+2 { // an escape takes at most six bytes
		return ""
	}
	if text := jsontext.Text(value[1 : len(value)-1]); len(text) <= maxID {
		return text
	}
	return ""
}

// rawMember returns the value of a member of an object; nil if there is none. The last one of a name counts.
func rawMember(object []byte, name string) (value []byte) {
	for n, v := range jsontext.Members(object) {
		if isNamed(n, name) {
			value = v
		}
	}
	return value
}
