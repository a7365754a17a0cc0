package okta

// Warning is something unusual that a reader went on from.
type Warning struct {
	Kind WarningKind
	// Message says what happened and what follows from it. It names no secret.
	Message string
}

// WarningKind tells warnings apart. Of each kind, the newest is kept.
type WarningKind string

const (
	WarnSmallerPage WarningKind = "smaller page" // a page was too much for Okta; a smaller one was asked for
	WarnNoID        WarningKind = "no id"        // a parent has no usable id; nothing is listed under it
	WarnUnreadable  WarningKind = "unreadable"   // an element of a page is no JSON object
	WarnReplaced    WarningKind = "replaced"     // bytes that are no UTF-8
	WarnAside       WarningKind = "put aside"    // the listing under a parent failed
	WarnCursor      WarningKind = "cursor"       // Okta refused a cursor, and a listing began again
	WarnNext        WarningKind = "next link"    // the link to the next page is missing or leads back
	WarnIncomplete  WarningKind = "incomplete"   // a pull ended without everything
	WarnClock       WarningKind = "Okta's clock" // it is far from Temporal's, or was
	WarnEmpty       WarningKind = "empty"        // a list that had objects is empty
	WarnDeleted     WarningKind = "deleted"      // an event says that something was deleted, and not what
)
