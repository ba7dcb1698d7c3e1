package appevents

import (
	"errors"
	"time"

	"github.com/appevents/appevents-go/internal/wire"
)

// Tracking is one person's stated choice about tracking. The zero value means that nobody stated it, which is never
// sent: a call with an unstated choice fails validation.
type Tracking uint8

// The choices a person can make.
const (
	Allowed Tracking = 1 + iota
	Denied
)

// String returns "allowed", "denied" or "not stated".
func (t Tracking) String() string {
	switch t {
	case Allowed:
		return "allowed"
	case Denied:
		return "denied"
	default:
		return "not stated"
	}
}

// MarshalText writes "allowed", "denied" or, when not stated, nothing.
func (t Tracking) MarshalText() ([]byte, error) {
	if t != Allowed && t != Denied {
		return []byte{}, nil
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (t *Tracking) UnmarshalText(text []byte) error {
	switch string(text) {
	case "allowed":
		*t = Allowed
	case "denied":
		*t = Denied
	case "":
		*t = 0
	default:
		return errors.New("appevents: unknown tracking choice (want allowed or denied)")
	}
	return nil
}

// appendFlag writes the number Graph wants: 1 for allowed, else 0.
func appendFlag(dst []byte, t *Tracking) []byte {
	if *t == Allowed {
		return append(dst, '1')
	}
	return append(dst, '0')
}

func (t Tracking) validate(at *place, p *problems) {
	switch t {
	case Allowed, Denied:
	case 0:
		p.add(at, RuleRequired, "state Allowed or Denied; there is no default")
	default:
		p.add(at, RuleUnknown, "must be Allowed or Denied")
	}
}

// Consent states the two tracking choices every event carries. Both must be stated; the zero Consent is refused.
// Both flags are always sent, as 1 or 0.
//
// https://developers.facebook.com/docs/graph-api/reference/application/activities/
type Consent struct {
	// Advertiser is the choice made on the device: App Tracking Transparency on iOS 14.5 and later. Elsewhere, what the
	// person told you.
	Advertiser Tracking `json:"advertiser,omitzero" wire:"advertiser_tracking_enabled,always"`

	// Application is the choice made in your own settings.
	Application Tracking `json:"application,omitzero" wire:"application_tracking_enabled,always"`
}

var consentPlan = wire.For[Consent](wire.Encode(appendFlag))

// The two usual answers. They are values to copy, not settings to change.
var (
	ConsentAllowed = Consent{Advertiser: Allowed, Application: Allowed}
	ConsentDenied  = Consent{Advertiser: Denied, Application: Denied}
)

func (c Consent) validate(at *place, p *problems) {
	c.Advertiser.validate(at.field("advertiser"), p)
	c.Application.validate(at.field("application"), p)
}

// DataProcessing limits what Meta may do with the data of a call. The zero value sends nothing: no limit is asked for.
//
// https://developers.facebook.com/docs/marketing-apis/data-processing-options
type DataProcessing struct {
	// LimitedDataUse asks for Limited Data Use. The older parameter of this name, which the options replaced, is never
	// sent.
	LimitedDataUse bool `json:"limited_data_use,omitzero" wire:"data_processing_options,always,alias=limited_data_use"`

	// Declared sends the options even when LimitedDataUse is false: an empty list, which says that no limit applies.
	Declared bool `json:"declared,omitzero" wire:"-"`

	// Country and State say where the person is; 0 and 0, the default, let Meta find out. 1 and 1000 mean the United
	// States and California.
	Country int `json:"country,omitzero" wire:"data_processing_options_country,always"`
	State   int `json:"state,omitzero" wire:"data_processing_options_state,always"`
}

var processingPlan = wire.For[DataProcessing](wire.Encode(func(dst []byte, limited *bool) []byte {
	if *limited {
		return append(dst, `["LDU"]`...)
	}
	return append(dst, `[]`...)
}))

func (d *DataProcessing) set() bool { return d.LimitedDataUse || d.Declared }

func (d *DataProcessing) validate(at *place, p *problems) {
	check(processingPlan, d, at, p, time.Time{})
	if (d.Country != 0 || d.State != 0) && !d.set() {
		p.add(at, RuleConflict, "country and state need LimitedDataUse or Declared")
	}
	if d.State != 0 && d.Country == 0 {
		p.add(at.field("country"), RuleRequired, "must be set when state is")
	}
}
