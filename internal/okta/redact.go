package okta

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"okta-collector/internal/jsontext"
	"okta-collector/internal/redact"
)

// errRedacted: what must not leave cannot be replaced in an object without exceeding the size of a page.
var errRedacted = errors.New("too many members to redact")

// keyError: the key of the hashes that replace values cannot be used.
type keyError struct{ err error }

func (e *keyError) Error() string { return "OKTA_REDACT_KEY_FILE: " + e.err.Error() }
func (e *keyError) Unwrap() error { return e.err }

// rulesOf returns the rules for the objects of each collection: the secrets that the catalog names, and what the operator
// adds.
func rulesOf(cfg Config) map[string]*redact.Rules {
	all := make(map[string]*redact.Rules, len(cfg.Catalog))
	for _, c := range cfg.Catalog {
		var rules []redact.Rule
		for _, path := range c.Secret {
			rules = append(rules, redact.Rule{Path: path})
		}
		all[c.Name] = redact.New(append(rules, cfg.Redact[c.Name]...)...)
	}
	return all
}

// redact replaces in the objects of an answer what must not leave. If an element is malformed, the others may be parts of
// objects, so their members count wherever they are.
func (o *Org) redact(ctx context.Context, q query, a *answer) error {
	rules := o.rules[q.collection.Name]
	if rules == nil {
		return nil
	}
	broken := slices.ContainsFunc(a.objects, func(e object) bool { return e.fault != nil })
	total := 0
	var sizes []int // of the objects that change; nil if none does
	for i := range a.objects {
		e := &a.objects[i]
		if e.fault != nil || e.dropped && e.deletes == nil {
			continue
		}
		size := rules.Size(e.raw, broken)
		switch {
		case size == 0:
			continue
		case total+size <= maxPage:
		case !q.smallest:
			return errTooLarge
		default:
			e.fault = errRedacted
			continue
		}
		if sizes == nil {
			sizes = make([]int, len(a.objects))
		}
		sizes[i] = size
		total += size
	}
	if total == 0 {
		return nil
	}
	key, err := o.redactKey()
	if err != nil {
		return err
	}
	redacted, err := a.body.More(ctx, total)
	if err != nil {
		return err
	}
	for i, size := range sizes {
		if size > 0 {
			from := len(redacted)
			redacted = rules.Append(redacted, a.objects[i].raw, broken, key)
			a.objects[i].raw = redacted[from:len(redacted):len(redacted)]
		}
	}
	return nil
}

// redactKey reads the key, which may have been replaced.
func (o *Org) redactKey() (key redact.Key, err error) {
	if !o.cfg.RedactKey.IsSet() {
		return key, nil
	}
	value, err := o.cfg.RedactKey.Read()
	if err == nil {
		key, err = redact.NewKey(value, o.cfg.Tenant)
	}
	if err != nil {
		return key, &keyError{err}
	}
	return key, nil
}

// readTypes marks the events that the operator does not want to be shipped, and those that say that something was deleted.
func (o *Org) readTypes(c Collection, events []object) {
	if !c.Polled {
		return
	}
	for i := range events {
		e := &events[i]
		if e.fault != nil {
			continue
		}
		kind := e.kind
		if bytes.IndexByte(kind, '\\') >= 0 {
			kind = []byte(jsontext.Text(kind))
		}
		e.dropped = slices.ContainsFunc(o.cfg.DropEvents, func(dropped string) bool { return dropped == string(kind) })
		e.deletes = deletionOf[string(kind)]
	}
}

// isNamed reports whether the name of a member, which may have escapes, is name.
func isNamed(member []byte, name string) bool {
	return string(member) == name || len(member) > len(name) && bytes.IndexByte(member, '\\') >= 0 && jsontext.Text(member) == name
}
