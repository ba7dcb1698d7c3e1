package appevents

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"
)

// AppLinkQuery names the new installation that [Client.DeferredAppLink] asks about. It is a look-up and not an event,
// so it is not a [Call]: there is no point in storing it.
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type AppLinkQuery struct {
	// Device identifies the installation; AdvertiserID, Attribution or AnonID is required.
	Device Device

	// ExtInfo describes the device further.
	ExtInfo ExtInfo

	// ClientIP is the device's own address, IPv4 or IPv6, sent as X-Forwarded-For with this call only.
	ClientIP netip.Addr

	// Consent is required.
	Consent Consent

	// DataProcessing asks for Limited Data Use.
	DataProcessing DataProcessing

	// Bundle describes the app.
	Bundle Bundle

	// Extra holds parameters that this package has no field for, as in [Activity].
	Extra map[string]string
}

var opDeferredAppLink = declare(operation{name: "look up deferred app link", permission: permissionActivities})

// DeferredAppLink asks POST /{app}/activities where an app that was just installed should open: the link behind the ad
// that led to the installation, which the app could not follow before it was there. Ask once, on the first start.
//
// The link is in Claim.AppLinkURL, with AppLinkArgs and AppLinkClass. Claim is nil, or its AppLinkURL empty, when no
// link is waiting, which is the usual case. Tokens and errors are as in [Client.LogActivity].
func (c *Client) DeferredAppLink(ctx context.Context, q AppLinkQuery) (*ActivityResult, error) {
	return c.sendOne(ctx, opDeferredAppLink, q.call())
}

// Validate is [Activity.Validate] for a look-up.
func (q AppLinkQuery) Validate() error {
	call := q.call()
	return call.validate(time.Now())
}

// Warnings is [Activity.Warnings] for a look-up.
func (q AppLinkQuery) Warnings() []Issue {
	call := q.call()
	return call.warnings()
}

func (q *AppLinkQuery) call() activityCall {
	return activityCall{
		kind: kindAppLink, thread: new(Thread), device: &q.Device, extInfo: &q.ExtInfo, userData: new(UserData),
		clientIP: q.ClientIP, consent: &q.Consent, dataProcessing: &q.DataProcessing, bundle: &q.Bundle,
		measurement: new(Measurement),
		extra:       q.Extra, homes: appLinkHomes,
	}
}

// appLinkHomes are activityHomes for a look-up, which has fewer fields.
var appLinkHomes = sync.OnceValue(func() homes {
	all := maps.Clone(activityHomes())
	others := homes{nameUserData: ""}
	addHomes(others, "", viewsPlan)
	addHomes(others, "", measurementPlan)
	for name := range others {
		all[name] = "LogActivity or LogInstall: a look-up does not take it"
	}
	return all
})
