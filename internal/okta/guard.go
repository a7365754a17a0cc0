package okta

import (
	"hash/fnv"

	"okta-collector/internal/checkpoint"
)

// maxEmptyPages bounds the empty pages in a row of a listing. A filter can leave pages empty, but a hundred of them are
// an endless listing.
const maxEmptyPages = 100

// noLink is the failure of an answer whose link to the next page is lost.
const noLink = "no link"

// askedAgain returns a page that asks for the same page once more, if the answer's link to the next page is lost for the
// first time. Otherwise it returns nil, and a second answer alike is believed.
func (r *Reader) askedAgain(pos checkpoint.Position, a *answer) *Page {
	if !a.lost || pos.Failing.Like == noLink {
		return nil
	}
	pos.Failing = pos.Failing.Again(noLink)
	return moved(pos)
}

// ends reports whether a listing of c ends with this answer: there is no next page, or its link is lost or leads back. In
// the last two cases, p has a warning and its pull is marked as cut off. g is the state of the search for loops.
func (r *Reader) ends(p *Page, c Collection, g *checkpoint.Guard, a *answer) bool {
	switch {
	case a.lost:
		p.warn(WarnNext, "a page of %s has no usable link to the next one, nor when it was asked for once more: the listing ends here, and may be incomplete", c.Name)
	case a.next == "":
		return true
	case !loops(g, a):
		return false
	default:
		p.warn(WarnNext, "the listing of %s leads back to an earlier page: it ends here, and may be incomplete", c.Name)
	}
	pull := *p.Position.Pull
	pull.CutOff = true
	p.Position.Pull = &pull
	return true
}

// loops moves the guard on by one page that has a next one. It reports whether the listing loops: the same cursor
// again, or the same objects under a new cursor. The first and the last object identify a page.
func loops(g *checkpoint.Guard, a *answer) bool {
	cursor, content := hash(a.next), uint64(0)
	if len(a.objects) == 0 {
		g.Empty++
	} else {
		g.Empty = 0
		first, last := a.objects[0].id, a.objects[len(a.objects)-1].id
		if first != nil && last != nil {
			content = hash(string(first) + "\x00" + string(last))
		}
	}
	if a.next == a.cursor || g.Empty > maxEmptyPages || cursor == g.Cursor || content != 0 && content == g.Content {
		return true
	}
	if g.Steps++; g.Steps >= g.Power {
		g.Cursor, g.Content, g.Steps = cursor, content, 0
		g.Power = max(2*g.Power, 1)
	}
	return false
}

func hash[T string | []byte](text T) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}
