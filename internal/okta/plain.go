package okta

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	// maxPlain bounds the text that is shown of an answer, in bytes.
	maxPlain = 200
	// maxWord bounds a word in it, in bytes. The longest scope of Okta has 43.
	maxWord = 48
	// maxNumbers bounds the numbers and codes in it.
	maxNumbers = 2
	// maxAround bounds the punctuation around a word, in bytes.
	maxAround = 6
)

// letters are those of a word, or of a part of one.
const letters = `[A-Za-zÀ-ÖØ-öø-ÿ]{1,20}`

var (
	// plainWord matches words of letters, joined by single punctuation marks, such as okta.users.read, insufficient_scope and
	// don't.
	plainWord = regexp.MustCompile(`^` + letters + `([-_./:=,'’]` + letters + `)*$`)
	// plainNumber matches numbers and times.
	plainNumber = regexp.MustCompile(`^(\d{1,4}%?|\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?Z)?)$`)
	// errorCode matches Okta's error codes.
	errorCode = regexp.MustCompile(`^E\d{7}$`)
	// requestID matches the ids of Okta's requests, which have 27 characters. A token has 42, and more in any encoding.
	requestID = regexp.MustCompile(`^[A-Za-z0-9_@-]{1,32}$`)
)

// plainExceptions are words with digits that errors of the network have.
var plainExceptions = map[string]bool{
	"http2": true, "HTTP/1.x": true, "HTTP/1.0": true, "HTTP/1.1": true, "HTTP/2": true, "HTTP/2.0": true, "x509": true, "IPv4": true, "IPv6": true,
}

// plain returns what is shown of a text from an answer: its plain words, at most 200 bytes. Everything else is one … for all
// that follows each other, because it may be a secret in another spelling. Known words are shown as they are.
func plain(text string, known ...string) string {
	var shown []string
	hidden, short, numbers := false, 0, 0
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		bare := strings.Trim(word, `.,;:!?()[]{}<>"'“”‘’`)
		if short++; len(bare) > 2 {
			short = 0
		}
		isKnown := slices.Contains(known, bare) || slices.Contains(known, strings.TrimRight(word, ",;:"))
		if plainNumber.MatchString(bare) || errorCode.MatchString(bare) {
			numbers++
		}
		// Four short words in a row may be a text that is spelt letter by letter, and many numbers one in digits.
		odd := short > 3 || numbers > maxNumbers || len(word)-len(bare) > maxAround || !isPlain(bare)
		if odd && !isKnown {
			if !hidden {
				shown = append(shown, "…")
			}
			hidden = true
			continue
		}
		hidden = false
		shown = append(shown, word)
	}
	return cut(strings.Join(shown, " "), maxPlain)
}

// plainCode returns an error code of Okta or of OAuth. Another text becomes a …, so that it still counts as a code.
func plainCode(code string) string {
	if code == "" || len(code) <= maxWord && isPlain(code) && !plainNumber.MatchString(code) {
		return code
	}
	return "…"
}

// isPlain reports whether a word is one of a language, or a number.
func isPlain(word string) bool {
	return word == "" || plainExceptions[word] || errorCode.MatchString(word) || plainNumber.MatchString(word) ||
		len(word) <= maxWord && plainWord.MatchString(word) && turns(word) <= 2
}

// turns counts the places of a word where a capital follows a small letter. Words have few, such as errorCode; random
// letters have many.
func turns(word string) (n int) {
	small := false
	for _, r := range word {
		if unicode.IsUpper(r) && small {
			n++
		}
		small = unicode.IsLower(r)
	}
	return n
}

// cut cuts a text to so many bytes, between characters.
func cut(text string, maxBytes int) string {
	if len(text) > maxBytes {
		text = strings.ToValidUTF8(text[:maxBytes], "")
	}
	return text
}
