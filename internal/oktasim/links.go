package oktasim

import (
	"bytes"
	"net/url"
	"strings"
)

// FoldLinks sends the links as one header.
func FoldLinks() Fault {
	return func(a *Answer) { a.Header.Set("Link", strings.Join(a.Header.Values("Link"), ", ")) }
}

// UnquoteLinks sends rel without quotes.
func UnquoteLinks() Fault {
	return eachLink(func(target, rel string) string { return "<" + target + ">; rel=" + rel })
}

// NextOn names another host in the next link.
func NextOn(host string) Fault {
	return eachLink(func(target, rel string) string {
		if u, err := url.Parse(target); err == nil && rel == "next" {
			u.Host = host
			target = u.String()
		}
		return link(target, rel)
	})
}

// BlanksInNext sends the next link with raw blanks.
func BlanksInNext() Fault {
	return eachLink(func(target, rel string) string {
		if rel == "next" {
			target = strings.ReplaceAll(target, "+", " ")
		}
		return link(target, rel)
	})
}

// NextTo replaces the next link, or adds one: with the page's own address a listing never ends.
func NextTo(target string) Fault {
	return func(a *Answer) {
		if before, _, ok := bodyNext(a.Body); ok {
			a.Body = append(before, closing(target)...)
			return
		}
		dropNext(a)
		a.Header.Add("Link", link(target, "next"))
	}
}

// NoNext leaves the next link out.
func NoNext() Fault { return dropNext }

// NoLinks leaves all links out.
func NoLinks() Fault {
	return func(a *Answer) {
		a.Header.Del("Link")
		if before, _, ok := bodyNext(a.Body); ok {
			a.Body = append(before, "]}"...)
		}
	}
}

func dropNext(a *Answer) {
	if before, _, ok := bodyNext(a.Body); ok {
		a.Body = append(before, closing("")...)
	}
	links := a.Header.Values("Link")
	a.Header.Del("Link")
	for _, l := range links {
		if _, rel := unlink(l); rel != "next" {
			a.Header.Add("Link", l)
		}
	}
}

func link(target, rel string) string { return "<" + target + `>; rel="` + rel + `"` }

// unlink takes apart what link made.
func unlink(l string) (target, rel string) {
	target, rel, _ = strings.Cut(l, ">; rel=")
	return strings.TrimPrefix(target, "<"), strings.Trim(rel, `"`)
}

func eachLink(rewrite func(target, rel string) string) Fault {
	return func(a *Answer) {
		links := a.Header.Values("Link")
		a.Header.Del("Link")
		for _, l := range links {
			a.Header.Add("Link", rewrite(unlink(l)))
		}
		if before, next, ok := bodyNext(a.Body); ok && next != "" {
			target, _ := unlink(rewrite(next, "next"))
			a.Body = append(before, closing(target)...)
		}
	}
}

// The end of an answer that has its link to the next page in the body.
const (
	lastPage            = `],"_links":{}}`
	beforeNext, afterIt = `],"_links":{"next":{"href":"`, `"}}}`
)

// closing is the end of an answer that has its link to the next page in the body, "" for none.
func closing(next string) string {
	if next == "" {
		return lastPage
	}
	return beforeNext + next + afterIt
}

// bodyNext takes such an answer apart: what comes before its end, and the link.
func bodyNext(body []byte) (before []byte, next string, ok bool) {
	if before, ok = bytes.CutSuffix(body, []byte(lastPage)); ok {
		return before, "", true
	}
	i := bytes.LastIndex(body, []byte(beforeNext))
	if i < 0 || !bytes.HasSuffix(body, []byte(afterIt)) {
		return nil, "", false
	}
	next = string(body[i+len(beforeNext) : len(body)-len(afterIt)])
	return body[:i], next, !strings.Contains(next, `"`)
}
