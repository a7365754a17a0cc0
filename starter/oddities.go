package starter

import (
	"strings"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// oddityTexts say what each oddity is and what was done about it: the text for one, and the text for several.
var oddityTexts = map[string][2]string{
	"unreadable": {"{n} unreadable element was shipped as a marked record", "{n} unreadable elements were shipped as marked records"},
	"replaced":   {"{n} object had bytes that are no UTF-8, and was shipped with U+FFFD instead", "{n} objects had bytes that are no UTF-8, and were shipped with U+FFFD instead"},
	"repeated":   {"at most {n} object was shipped again, because its listing began again", "at most {n} objects were shipped again, because their listing began again"},
	"gone":       {"{n} of the {parents} was deleted before it was listed", "{n} of the {parents} were deleted before they were listed"},
	"aside":      {"{n} of the {parents} was put aside, to be tried again at the end of its pull", "{n} of the {parents} were put aside, to be tried again at the end of their pull"},
	"missing":    {"{n} of the {parents} is missing in a pull: it failed at the end again, or too many were put aside", "{n} of the {parents} are missing in a pull: they failed at the end again, or too many were put aside"},
	"incomplete": {"{n} pull ended without everything", "{n} pulls ended without everything"},
}

// oddities says what was not in order in Okta's answers since the service was first started; empty if everything was.
func oddities(service string, counted checkpoint.Oddities) string {
	parents := "parents"
	if c, _ := okta.Lookup(service); len(c.Under) > 0 {
		parents = c.Under[len(c.Under)-1].Of
	}
	var said []string
	for name, n := range counted.All() {
		if n > 0 {
			text := oddityTexts[name][min(n, 2)-1]
			said = append(said, strings.NewReplacer("{n}", humanize.Comma(n), "{parents}", parents).Replace(text))
		}
	}
	return strings.Join(said, "; ")
}
