package secret

import "strings"

// minPiece is how many letters and digits in a row of a secret are a piece of it. Words of other texts match none of a
// random token.
const minPiece = 8

// Redact replaces a secret in a text from another program, and each piece of it, by "[redacted]". A piece has at least 8 of
// the secret's letters and digits in their order, forwards or backwards, in any case and with anything between them that is
// neither letter nor digit. An encoding of the secret is not recognised.
func Redact(text, secret string) string {
	text = strings.ReplaceAll(text, secret, "[redacted]")
	letters, _ := alphanumeric(secret)
	backwards := make([]byte, len(letters))
	for i, c := range letters {
		backwards[len(letters)-1-i] = c
	}
	pieces := map[string]bool{}
	for _, spelling := range [][]byte{letters, backwards} {
		for i := 0; i+minPiece <= len(spelling); i++ {
			pieces[string(spelling[i:i+minPiece])] = true
		}
	}
	var redacted strings.Builder
	kept := 0 // the end of what was written
	found, at := alphanumeric(text)
	for i := 0; i+minPiece <= len(found); i++ {
		if !pieces[string(found[i:i+minPiece])] {
			continue
		}
		end := i + minPiece
		for end < len(found) && pieces[string(found[end+1-minPiece:end+1])] {
			end++
		}
		redacted.WriteString(text[kept:at[i]])
		redacted.WriteString("[redacted]")
		kept = at[end-1] + 1
		i = end - 1
	}
	redacted.WriteString(text[kept:])
	return redacted.String()
}

// alphanumeric returns the letters and digits of a text in ASCII, letters as small ones, and where each is.
func alphanumeric(text string) (letters []byte, at []int) {
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			letters, at = append(letters, c), append(at, i)
		}
	}
	return letters, at
}
