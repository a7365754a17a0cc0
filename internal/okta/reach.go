package okta

import (
	"context"
	"net/http"
)

// publicPath answers without a token (https://developer.okta.com/docs/api/openapi/okta-management/management/tag/OrgSettingMetadata/).
const publicPath = "/.well-known/okta-organization"

// Reach asks the org for any answer. It needs no token and nothing of the budget. Its error is [Unreached], or lasts until
// a person acts.
func (o *Org) Reach(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.cfg.URL+publicPath, nil)
	if err != nil {
		return err
	}
	once, end := newOnce(ctx)
	defer end()
	resp, err := o.http.Do(req.WithContext(once.ctx))
	if err != nil {
		return o.transportError(ctx, context.Background(), &Error{Path: publicPath, unanswered: true, err: err})
	}
	return resp.Body.Close()
}
