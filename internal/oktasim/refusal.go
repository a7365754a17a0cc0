package oktasim

import (
	"encoding/json"
	"net/http"
)

// refusal is an answer that is an error.
type refusal struct {
	status  int
	code    string
	summary string
}

var (
	badToken       = refusal{http.StatusUnauthorized, "E0000011", "Invalid token provided"}
	noSuchPath     = refusal{http.StatusNotFound, "E0000008", "The requested path was not found"}
	badMethod      = refusal{http.StatusMethodNotAllowed, "E0000022", "The endpoint does not support the provided HTTP method"}
	badDate        = refusal{http.StatusBadRequest, "E0000030", "Invalid date. Dates must be of the form yyyy-MM-dd'T'HH:mm:ss.SSSZZ"}
	badSearch      = refusal{http.StatusBadRequest, "E0000031", "Invalid search criteria."}
	typeMismatch   = refusal{http.StatusBadRequest, "E0000037", "Type mismatch exception."}
	tooLongAgo     = refusal{http.StatusBadRequest, "E0000053", "The since parameter is over 180 days ago."}
	overLimit      = refusal{http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests."}
	badCursor      = refusal{http.StatusBadRequest, "E0000031", "Invalid search criteria: after"}
	badLimit       = refusal{http.StatusBadRequest, "E0000001", "Api validation failed: limit"}
	badLogLimit    = refusal{http.StatusBadRequest, "E0000031", "Invalid search criteria: limit"}
	parentNotFound = refusal{http.StatusNotFound, "E0000007", "Not found: Resource not found"}
	missingFeature = refusal{http.StatusBadRequest, "E0000002", "The request was not valid: Missing Required Feature Flag"}
	invalidSession = refusal{http.StatusForbidden, "E0000005", "Invalid session"}
	reconciling    = refusal{http.StatusLocked, "E0000239", "The resource is being reconciled. Please try again later."}
)

// notModelled refuses a parameter that is not simulated.
func notModelled(parameter string) refusal {
	return refusal{badSearch.status, badSearch.code, "Invalid search criteria: " + parameter}
}

// fault answers with the refusal.
func (r refusal) fault() Fault {
	return func(a *Answer) {
		a.Header.Del("Link")
		a.Status, a.Body = r.status, r.body("oaeSimulatedFault")
	}
}

// body is the JSON that Okta explains an error with.
func (r refusal) body(errorID string) []byte {
	body, err := json.Marshal(struct {
		ErrorCode    string   `json:"errorCode"`
		ErrorSummary string   `json:"errorSummary"`
		ErrorLink    string   `json:"errorLink"`
		ErrorID      string   `json:"errorId"`
		ErrorCauses  []string `json:"errorCauses"`
	}{r.code, r.summary, r.code, errorID, []string{}})
	if err != nil {
		panic(err) // a struct of strings
	}
	return body
}
