package okta

import (
	"hash/fnv"

	"okta-collector/internal/checkpoint"
)

// maxEmptyPages is how many pages without an object a listing may have in a row. A
// filter can leave pages empty; a hundred of them are a listing that never ends.
const maxEmptyPages = 100

// loops moves the guard on by one page of a listing that has a next one, and says whether the
// listing leads back to where it was: the same cursor again, or the same objects under a new one.
// A page is known by its first and last object.
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
	if a.next == a.cursor || g.Empty > maxEmptyPages {
		return true
	}
	if g.Power == 0 {
		*g = checkpoint.Guard{Cursor: cursor, Content: content, Power: 1, Empty: g.Empty}
		return false
	}
	if cursor == g.Cursor || content != 0 && content == g.Content {
		return true
	}
	if g.Steps++; g.Steps == g.Power {
		g.Cursor, g.Content, g.Steps = cursor, content, 0
		g.Power *= 2
	}
	return false
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
