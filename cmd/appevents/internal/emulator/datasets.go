package emulator

import (
	"fmt"
	"net/http"
	"slices"
)

// dataset is where conversions go.
type dataset struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Pages []string `json:"pages"` // attached to it
}

func (e *Emulator) datasetByID(id string) *dataset {
	for _, d := range e.s.Datasets {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// datasetOf is the dataset of a Page. The lock is held.
func (e *Emulator) datasetOf(page string) *dataset {
	for _, d := range e.s.Datasets {
		if slices.Contains(d.Pages, page) {
			return d
		}
	}
	return nil
}

// pageDataset is /{page}/dataset: POST makes one where there is none.
func pageDataset(e *Emulator, c *call) (any, *Error) {
	if c.page == nil {
		return getPage(e, c)
	}
	d := e.datasetOf(c.page.ID)
	switch {
	case c.x.Method == http.MethodGet && d == nil:
		return nil, &Error{Code: 100, Subcode: 33, Message: "Unsupported get request. The Page has no dataset yet.",
			Hint: "POST the same path makes one"}
	case c.x.Method == http.MethodGet:
		return map[string]string{"id": d.ID, "name": d.Name}, nil
	case c.x.Method != http.MethodPost:
		return nil, errGone()
	case d == nil:
		if len(e.s.Datasets) >= maxPages {
			return nil, &Error{Code: 100, Message: "(#100) Too many datasets"}
		}
		d = &dataset{ID: e.newDatasetID(), Name: or(c.params.text("dataset_name"), "Dataset of "+c.page.Name)}
		d.Pages, d.Name = []string{c.page.ID}, truncate(d.Name, 200)
		e.s.Datasets = append(e.s.Datasets, d)
	}
	return map[string]string{"id": d.ID}, nil
}

func (e *Emulator) newDatasetID() string {
	for n := 5_600_000_001; ; n++ {
		if id := fmt.Sprint(n); e.datasetByID(id) == nil {
			return id
		}
	}
}

// A DatasetChange declares or takes away a dataset. Once one is declared, others do not exist.
type DatasetChange struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Pages  string `json:"pages"` // with commas; may be none
	Remove bool   `json:"remove"`
}

// SetDataset does it.
func (e *Emulator) SetDataset(in DatasetChange) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := checkID("id", in.ID); err != nil {
		return err
	}
	pages := listOf(in.Pages)
	for _, id := range pages {
		if e.pageByID(id) == nil {
			return &InputError{Field: "pages", Message: "must be Pages of the emulator", missing: true}
		}
	}
	if len(in.Name) > 200 {
		return &InputError{Field: "name", Message: "must be at most 200 bytes long"}
	}
	d := e.datasetByID(in.ID)
	switch {
	case in.Remove && d == nil:
		return &InputError{Field: "id", Message: "is not a dataset of the emulator", missing: true}
	case in.Remove:
		e.s.Datasets = slices.DeleteFunc(e.s.Datasets, func(other *dataset) bool { return other == d })
		e.touch()
		return nil
	case d == nil && len(e.s.Datasets) >= maxPages:
		return &InputError{Field: "id", Message: fmt.Sprintf("at most %d datasets are kept", maxPages)}
	case d == nil:
		d = &dataset{ID: in.ID}
		e.s.Datasets = append(e.s.Datasets, d)
	}
	for _, other := range e.s.Datasets { // a Page has one dataset
		other.Pages = slices.DeleteFunc(other.Pages, func(id string) bool { return slices.Contains(pages, id) })
	}
	d.Name, d.Pages, e.s.DatasetsClosed = or(in.Name, "Dataset "+in.ID), pages, true
	e.touch()
	return nil
}

// judgeConversions refuses what graphtest cannot: it knows neither people nor Pages. The lock is held.
func (e *Emulator) judgeConversions(c *call) *Error {
	var rows []struct {
		Source  string `json:"action_source"`
		Channel string `json:"messaging_channel"`
		User    struct {
			Page text `json:"page_id"`
			PSID text `json:"page_scoped_user_id"`
		} `json:"user_data"`
	}
	d := e.datasetByID(c.parts[0])
	if d == nil && e.s.DatasetsClosed {
		return errGone()
	}
	c.params.decode("data", &rows)
	for _, row := range rows {
		page := e.pageByID(string(row.User.Page))
		if row.Source != "business_messaging" || page == nil {
			continue
		}
		h := e.holder(c.token)
		if row.Channel == "messenger" {
			if err := e.judgePermission(h, page, "page_events"); err != nil {
				return err
			}
		}
		switch {
		case h.kind == tokenPage && h.page != page:
			return &Error{Code: 200, Message: "(#200) The token is not good for this Page"}
		case d != nil && len(d.Pages) == 0:
			return &Error{Code: 100, Subcode: 2804131, Message: "The dataset has no Page attached.",
				Hint: "POST /" + page.ID + "/dataset gives the Page one"}
		case d != nil && !slices.Contains(d.Pages, page.ID):
			return &Error{Code: 100, Subcode: 2804065, Message: "The Page and the dataset do not match."}
		case row.User.PSID != "" && e.person(page.ID, string(row.User.PSID)) == nil &&
			e.person("", string(row.User.PSID)) != nil:
			return &Error{Code: 100, Subcode: 2804073, Message: "The Page and the person do not belong together.",
				Hint: "the person writes to another Page"}
		}
	}
	return nil
}
