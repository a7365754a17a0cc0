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
	// oauth is the code of an error of the token endpoint, in place of code; bare: the answer has no body.
	oauth string
	bare  bool
	// unlimited: the answer has no rate-limit headers.
	unlimited bool
	// authenticate and nonce are the headers WWW-Authenticate and DPoP-Nonce.
	authenticate, nonce string
	// reason is what [SignIns] counts it under.
	reason string
}

var (
	badToken        = refusal{status: http.StatusUnauthorized, code: "E0000011", summary: "Invalid token provided"}
	noSuchPath      = refusal{status: http.StatusNotFound, code: "E0000008", summary: "The requested path was not found"}
	badMethod       = refusal{status: http.StatusMethodNotAllowed, code: "E0000022", summary: "The endpoint does not support the provided HTTP method"}
	badDate         = refusal{status: http.StatusBadRequest, code: "E0000030", summary: "Invalid date. Dates must be of the form yyyy-MM-dd'T'HH:mm:ss.SSSZZ"}
	badSearch       = refusal{status: http.StatusBadRequest, code: "E0000031", summary: "Invalid search criteria."}
	typeMismatch    = refusal{status: http.StatusBadRequest, code: "E0000037", summary: "Type mismatch exception."}
	tooLongAgo      = refusal{status: http.StatusBadRequest, code: "E0000053", summary: "The since parameter is over 180 days ago."}
	overLimit       = refusal{status: http.StatusTooManyRequests, code: "E0000047", summary: "API call exceeded rate limit due to too many requests."}
	badCursor       = refusal{status: http.StatusBadRequest, code: "E0000031", summary: "Invalid search criteria: after"}
	badLimit        = refusal{status: http.StatusBadRequest, code: "E0000001", summary: "Api validation failed: limit"}
	badLogLimit     = refusal{status: http.StatusBadRequest, code: "E0000031", summary: "Invalid search criteria: limit"}
	noPermission    = refusal{status: http.StatusForbidden, code: "E0000006", summary: "You do not have permission to perform the requested action"}
	badRequest      = refusal{status: http.StatusBadRequest, code: "E0000021", summary: "Bad request. Accept and/or Content-Type headers likely do not match supported values."}
	emptyBadRequest = refusal{status: http.StatusBadRequest, bare: true}
	parentNotFound  = refusal{status: http.StatusNotFound, code: "E0000007", summary: "Not found: Resource not found"}
	missingFeature  = refusal{status: http.StatusBadRequest, code: "E0000002", summary: "The request was not valid: Missing Required Feature Flag"}
	invalidSession  = refusal{status: http.StatusForbidden, code: "E0000005", summary: "Invalid session"}
	reconciling     = refusal{status: http.StatusLocked, code: "E0000239", summary: "The resource is being reconciled. Please try again later."}
)

// notModelled refuses a parameter that is not simulated.
func notModelled(parameter string) refusal {
	return refusal{status: badSearch.status, code: badSearch.code, summary: "Invalid search criteria: " + parameter}
}

// withoutLimits is the refusal without rate-limit headers.
func (r refusal) withoutLimits() refusal {
	r.unlimited = true
	return r
}

// fault answers with the refusal.
func (r refusal) fault() Fault {
	return func(a *Answer) {
		a.Header.Del("Link")
		a.Status, a.Body = r.status, r.body("oaeSimulatedFault")
	}
}

// into makes the refusal the answer.
func (r refusal) into(a *Answer, errorID string) {
	a.Status, a.Body = r.status, r.body(errorID)
	if r.unlimited {
		NoLimits()(a)
	}
	for name, value := range map[string]string{"WWW-Authenticate": r.authenticate, "DPoP-Nonce": r.nonce} {
		if value != "" {
			a.Header.Set(name, value)
		}
	}
}

// body is the JSON that Okta explains an error with.
func (r refusal) body(errorID string) []byte {
	if r.bare {
		return nil
	}
	if r.oauth != "" {
		return asJSON(struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}{r.oauth, r.summary})
	}
	return asJSON(struct {
		ErrorCode    string   `json:"errorCode"`
		ErrorSummary string   `json:"errorSummary"`
		ErrorLink    string   `json:"errorLink"`
		ErrorID      string   `json:"errorId"`
		ErrorCauses  []string `json:"errorCauses"`
	}{r.code, r.summary, r.code, errorID, []string{}})
}

func asJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return body
}
