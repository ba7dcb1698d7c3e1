package appevents

// Version is the version of this module, sent in the User-Agent header.
const Version = "0.1.0"

// DefaultGraphVersion is the Graph API version a [Client] asks for unless [WithVersion] says otherwise.
const DefaultGraphVersion = "v26.0"

// lastPageActivitiesVersion is the last Graph version that has the page_activities edge.
const lastPageActivitiesVersion = "v20.0"
