package oktasim

import "net/http"

// Midway sends the first half of the body, calls do, and sends the rest when do returns. do may end
// the client, cut its connection or wait; it is called by the goroutine that serves the request.
func Midway(do func()) Fault { return func(a *Answer) { a.Midway = do } }

// writeBody writes what is to be sent of a body. A client that is gone needs none of it.
func (a *Answer) writeBody(w http.ResponseWriter, body []byte) {
	if a.Midway != nil {
		half := len(body) / 2
		_, _ = w.Write(body[:half])
		_ = http.NewResponseController(w).Flush()
		a.Midway()
		body = body[half:]
	}
	_, _ = w.Write(body)
}
