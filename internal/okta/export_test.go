package okta

// NewTransport is the transport that requests go through unless a test has another one.
var NewTransport = newTransport

// Refused are the patterns of what is never asked for, and IsRefused reports whether a path is of them.
var (
	Refused   = refused
	IsRefused = isRefused
)

// DeletionParents are the types of targets that are parents, by the levels of the collection.
func DeletionParents() map[string][]string {
	all := map[string][]string{}
	for _, d := range deletions {
		all[d.of] = d.under
	}
	return all
}
