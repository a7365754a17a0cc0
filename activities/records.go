package activities

import (
	"cmp"
	"fmt"
	"strconv"

	"okta-collector/internal/devo"
	"okta-collector/internal/jsontext"
	"okta-collector/internal/okta"
)

// table is the Devo table of a service, or that of [okta.RecordTables] of this name.
func (t Tenant) table(name string) string {
	c, _ := okta.Lookup(name)
	return cmp.Or(t.Tables[name], c.Table, okta.RecordTables[name])
}

// records are what is shipped for other tables, before and after Objects[from:to] of a page.
func (s *slice) records(page *okta.Page, from, to int) (before, after []devo.Record) {
	begins, ends := page.PullRecords(from, to)
	for _, p := range begins {
		before = append(before, s.pullRecord(p))
	}
	for _, d := range page.Deleted(from, to) {
		before = append(before, s.deletedRecord(d))
	}
	for _, p := range ends {
		after = append(after, s.pullRecord(p))
	}
	return before, after
}

// pullRecord renders a record such as
//
//	{"@okta_pull":"end","@okta_table":"auth.okta.users","service":"users","@devo_pulling_id":1795332420123,"objects":850,"complete":true}
func (s *slice) pullRecord(p okta.PullRecord) devo.Record {
	what := "begin"
	if p.Ends {
		what = "end"
	}
	b := fmt.Appendf(nil, `{"@okta_pull":%q,"@okta_table":%q,"service":%q,"@devo_pulling_id":%d`, what, s.target.Tag, s.svc.Name, p.ID)
	if p.Parent != nil {
		b = appendMember(b, p.Parent.Name, p.Parent.ID)
	}
	if p.Ends {
		b = fmt.Appendf(b, `,"objects":%d,"complete":%s`, p.Objects, strconv.FormatBool(p.Complete))
	}
	return devo.Record{Tag: s.tenant.table(okta.PullsTable), JSON: append(b, '}')}
}

// deletedRecord renders a record such as
//
//	{"id":"00u1","@okta_group_id":"00g1","@okta_table":"my.app.okta.group_members","@okta_event":"c2a4…","published":"2026-11-22T06:27:00.123Z"}
func (s *slice) deletedRecord(d okta.Deleted) devo.Record {
	b := fmt.Appendf(nil, `{"id":"%s"`, d.ID)
	for _, p := range d.Parents {
		b = appendMember(b, p.Name, p.ID)
	}
	b = appendMember(b, "@okta_table", s.tenant.table(d.Service))
	b = appendMember(b, "@okta_event", d.Event)
	b = appendMember(b, "published", d.Published)
	return devo.Record{Tag: s.tenant.table(okta.DeletedTable), JSON: append(b, '}')}
}

// appendMember appends a comma and a member of a JSON object.
func appendMember(dst []byte, name, value string) []byte {
	dst = fmt.Appendf(dst, `,"%s":"`, name)
	return append(jsontext.Append(dst, []byte(value), 6*len(value)), '"') // an escape takes at most six bytes
}
