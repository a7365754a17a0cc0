package devosim

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxBody is the most that Devo takes in one request, in bytes. Whether it means them packed or
// unpacked is not documented: here it is both.
const maxBody = 32_000_000

var errTooLarge = fmt.Errorf("body is larger than %d bytes", maxBody)

// serveHTTP takes POST /stream/<domain>/token!<token>/<host>/<tag> with one event a line. A
// request is delivered as a whole or not at all. No path is ever recorded: it has the token.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) != 6 || parts[1] != "stream" || r.URL.RawQuery != "" {
		http.NotFound(w, r)
		return
	}
	domain, token, host, tag := parts[2], parts[3], parts[4], parts[5]
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "want POST", http.StatusMethodNotAllowed)
		return
	case s.config.Token == "" || token != "token!"+s.config.Token:
		s.conns.count(refused)
		http.Error(w, "token refused", http.StatusUnauthorized)
		return
	case domain != s.config.Domain:
		s.conns.count(refused)
		http.Error(w, "the token is not this domain's", http.StatusForbidden)
		return
	}

	// As a proxy does: before it has read anything, in HTML, and with the end of the connection.
	if most := s.maxBody.Load(); most > 0 && r.ContentLength > most {
		s.conns.count(tooLarge)
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "<html><head><title>413 Request Entity Too Large</title></head></html>\r\n")
		return
	}

	// First all of the body, so that one cut off is told from one that is wrong.
	body, err := readBody(r.Body)
	if err != nil && !errors.Is(err, errTooLarge) {
		s.conns.count(cut)
		http.Error(w, "body cut off", http.StatusBadRequest)
		return
	}
	if err == nil && len(body) == 0 {
		// Someone who only tries address and token: nothing is wrong, and nothing delivered.
		http.Error(w, "no events", http.StatusBadRequest)
		return
	}
	var records []Record
	if err == nil {
		records, err = parseEvents(host, tag, r.Header.Get("Content-Encoding"), body)
	}
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		s.problems.record("HTTP", r.RemoteAddr, err, body)
		http.Error(w, err.Error(), status)
		return
	}
	refusal := s.posted(r, records)
	if refusal == nil || refusal.Delivered {
		s.deliver(records...)
	}
	if refusal != nil {
		http.Error(w, http.StatusText(refusal.Status), refusal.Status)
	}
}

func readBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, errTooLarge
	}
	return body, nil
}

func parseEvents(host, tag, encoding string, body []byte) ([]Record, error) {
	if err := checkHost(host); err != nil {
		return nil, err
	}
	if err := checkTag(tag); err != nil {
		return nil, err
	}
	switch encoding {
	case "":
	case "gzip":
		packed, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("unpacking: %w", err)
		}
		if body, err = readBody(packed); err != nil {
			return nil, fmt.Errorf("unpacking: %w", err)
		}
	default:
		return nil, fmt.Errorf("Content-Encoding is %.40q, want gzip or none", encoding)
	}
	var records []Record
	for line := range bytes.SplitSeq(bytes.TrimSuffix(body, []byte{'\n'}), []byte{'\n'}) {
		object, err := ParseObject(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(records)+1, err)
		}
		records = append(records, Record{Host: host, Tag: tag, Object: object})
	}
	return records, nil
}
