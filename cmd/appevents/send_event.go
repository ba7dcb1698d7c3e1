package main

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/appevents/appevents-go"
)

// event makes the event that the flags describe.
func (c *sendCommand) event() (appevents.Event, error) {
	name, err := c.eventName()
	if err != nil {
		return appevents.Event{}, callFailure(err)
	}
	event := appevents.Event{Name: name, Value: c.Value, ID: c.ID}
	if c.Time != "" {
		if event.Time, err = time.Parse(time.RFC3339, c.Time); err != nil {
			return event, usageError("--time must look like 2026-11-21T16:44:54Z or 2026-11-21T17:44:54+01:00")
		}
	}
	if event.Params, err = paramsOfFlags(c.Param); err != nil {
		return event, err
	}
	if c.Currency != "" {
		if event.Params.Currency != "" && event.Params.Currency != c.Currency {
			return event, usageError("--currency and --param name different currencies")
		}
		event.Params.Currency = c.Currency
	}
	for i, text := range c.Content {
		content, ok := parseContent(text)
		if !ok {
			return event, usageError("--content %d must be ID, ID:QUANTITY or ID:QUANTITY:PRICE", i+1)
		}
		event.Params.Contents = append(event.Params.Contents, content)
	}
	return event, nil
}

// eventName finds a standard event by any of its names. What is nearly one is refused: each name that was ever sent is
// one of the 1,000 an app may use.
func (c *sendCommand) eventName() (appevents.EventName, error) {
	if c.Custom {
		return appevents.EventName(c.Event), nil
	}
	list := appevents.StandardEvents()
	if spec, ok := findEvent(list, c.Event); ok {
		return spec.Name, nil
	}
	if near := nearestEvent(list, c.Event); strings.HasPrefix(near, ":") && c.Via != "conversions" {
		return "", &appevents.ValidationError{Issues: []appevents.Issue{{
			Path: "events[0].name", Rule: appevents.RuleUnknown,
			Message: "no standard event has this name" + near + " --custom sends it as an event of your own",
		}}}
	}
	return appevents.EventName(c.Event), nil
}

// conversionName is what the Conversions API calls an event, "" when conversations do not know it.
func conversionName(event appevents.Event, thread appevents.Thread) string {
	conversion, err := event.Conversion(thread)
	if err != nil {
		return ""
	}
	return string(conversion.Name)
}

// paramFields are the parameters that have a field, by their name on the wire.
func paramFields() map[string]reflect.Type {
	fields := make(map[string]reflect.Type)
	for f := range reflect.TypeFor[appevents.Params]().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); strings.HasPrefix(name, "fb_") {
			fields[name] = f.Type
		}
	}
	return fields
}

// paramsOfFlags makes parameters of key=value: Meta's own, with or without fb_, and others.
func paramsOfFlags(list []string) (params appevents.Params, err error) {
	fields := paramFields()
	typed, custom := make(map[string]any), make(map[string]any)
	for i, text := range list {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return params, usageError("--param %d must be KEY=VALUE", i+1)
		}
		name := key
		if fields[name] == nil && fields["fb_"+name] != nil {
			name = "fb_" + name
		}
		kind := fields[name]
		_, twice := typed[name]
		if _, again := custom[name]; again || twice && kind.Kind() != reflect.Slice {
			return params, usageError("--param %s is there twice", printable(name))
		}
		if kind == nil {
			custom[name] = freeValue(value)
			continue
		}
		if typed[name], err = fieldValue(name, kind, value, typed[name]); err != nil {
			return params, err
		}
	}
	if len(custom) > 0 {
		typed["custom"] = custom
	}
	data, err := json.Marshal(typed)
	if err != nil {
		return params, usageError("--param: %w", err)
	}
	return params, json.Unmarshal(data, &params)
}

// fieldValue is a text as the field of a parameter takes it.
func fieldValue(name string, kind reflect.Type, text string, before any) (any, error) {
	switch {
	case kind == reflect.TypeFor[[]appevents.Content]():
		return nil, usageError("--param %s: give --content ID:QUANTITY:PRICE for each product", name)
	case kind.Kind() == reflect.Slice:
		texts, _ := before.([]string)
		return append(texts, text), nil
	case kind.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, usageError("--param %s must be a whole number", name)
		}
		return n, nil
	case kind.Kind() == reflect.Pointer:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, usageError("--param %s must be true or false", name)
		}
		return b, nil
	default:
		return text, nil
	}
}

// freeValue is a parameter of the caller's own: a number, true, false, a text in quotes as JSON has them, or a text.
func freeValue(text string) any {
	var value any
	if !decodeNumbers(text, &value) {
		return text
	}
	switch value.(type) {
	case json.Number, bool, string:
		return value
	default:
		return text
	}
}

// parseContent reads ID, ID:QUANTITY or ID:QUANTITY:PRICE. An ID may have colons where both others are there.
func parseContent(text string) (content appevents.Content, ok bool) {
	parts := strings.Split(text, ":")
	content = appevents.Content{ID: parts[0], Quantity: 1}
	if n := len(parts); n > 1 {
		quantity := parts[1]
		if n > 2 {
			price, err := strconv.ParseFloat(parts[n-1], 64)
			if err != nil {
				return content, false
			}
			content.ID, content.ItemPrice, quantity = strings.Join(parts[:n-2], ":"), price, parts[n-2]
		}
		var err error
		if content.Quantity, err = strconv.Atoi(quantity); err != nil {
			return content, false
		}
	}
	return content, content.ID != ""
}
