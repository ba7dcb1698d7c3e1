package graphtest

import (
	"encoding/json"
	"strings"
)

// checkDebugToken judges GET /debug_token.
func checkDebugToken(i *inspection) {
	i.onlyParams("input_token")
	if !i.given("input_token") {
		i.refuse(100, 0, "input_token", "required", "the parameter is required")
	}
}

// tokenInfo is the answer of /debug_token.
type tokenInfo struct {
	AppID             string          `json:"app_id,omitempty"`
	Type              string          `json:"type,omitempty"`
	Application       string          `json:"application,omitempty"`
	IsValid           bool            `json:"is_valid"`
	IssuedAt          int64           `json:"issued_at,omitempty"`
	ExpiresAt         int64           `json:"expires_at"`
	DataAccessExpires int64           `json:"data_access_expires_at"`
	ProfileID         string          `json:"profile_id,omitempty"`
	Scopes            []string        `json:"scopes"`
	Granular          []granularScope `json:"granular_scopes,omitempty"`
	Error             *tokenError     `json:"error,omitempty"`
}

type granularScope struct {
	Scope     string   `json:"scope"`
	TargetIDs []string `json:"target_ids,omitempty"`
}

type tokenError struct {
	Code    int    `json:"code"`
	Subcode int    `json:"subcode,omitempty"`
	Message string `json:"message"`
}

// applyDebugToken describes the input token. A bad input token is described, not refused.
func applyDebugToken(i *inspection) []byte {
	cfg, token := &i.g.cfg, i.text("input_token")
	info := tokenInfo{AppID: cfg.appID, Application: "Stand-in", Scopes: []string{}}
	grant, declared := cfg.tokens[token]
	id, secret, isApp := strings.Cut(token, "|")
	isApp = isApp && isDigits(id) && (cfg.appID == "" || id == cfg.appID) &&
		(cfg.appSecret == "" || secret == cfg.appSecret)
	switch {
	case !declared && isApp:
		info.AppID, info.Type, info.IsValid = id, TokenApp, true
	case !declared && len(cfg.tokens) > 0:
		info.Error = &tokenError{Code: 190, Message: codeMessages[190]}
	default:
		i.describe(&info, &grant)
	}
	data, err := json.Marshal(map[string]tokenInfo{"data": info})
	if err != nil {
		return nil
	}
	return data
}

// describe fills in what a grant says.
func (i *inspection) describe(info *tokenInfo, grant *Grant) {
	if grant.AppID != "" {
		info.AppID = grant.AppID
	}
	info.Type = TokenUser
	if grant.Type != "" {
		info.Type = grant.Type
	}
	info.IsValid = true
	info.Scopes = grant.Permissions
	if info.Scopes == nil {
		info.Scopes = []string{"ads_read", "instagram_manage_events", "page_events", "pages_messaging"}
	}
	for _, scope := range info.Scopes {
		info.Granular = append(info.Granular, granularScope{Scope: scope, TargetIDs: grant.Pages})
	}
	if grant.Type == TokenPage && len(grant.Pages) > 0 {
		info.ProfileID = grant.Pages[0]
	}
	subcode := grant.Subcode
	if !grant.ExpiresAt.IsZero() {
		info.ExpiresAt = grant.ExpiresAt.Unix()
	}
	if grant.Expired || !grant.ExpiresAt.IsZero() && !i.now.Before(grant.ExpiresAt) {
		subcode = 463
		if info.ExpiresAt == 0 {
			info.ExpiresAt = i.now.Unix() - 1
		}
	}
	if subcode != 0 {
		info.IsValid = false
		info.Error = &tokenError{Code: 190, Subcode: subcode, Message: authMessages[subcode]}
	}
}
