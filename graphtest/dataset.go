package graphtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// checkDataset judges POST and GET /{account}/dataset.
func checkDataset(i *inspection) {
	i.onlyParams("dataset_name")
	i.call.PageID = i.call.ObjectID
	i.permission("page_events")
	i.page(i.call.ObjectID)
}

// onlyParams notes parameters that are not in the list, and repeated and empty ones.
func (i *inspection) onlyParams(known ...string) {
	i.repeated()
	for _, p := range i.list {
		switch {
		case !slices.Contains(known, p.name) && !isCommon(p.name):
			i.problem(p.name, "unknown", "the edge has no such parameter")
		case p.val.text == "" && (p.val.kind == kindString || p.val.kind == kindNull):
			i.problem(p.name, "empty", "sent without a value; leave it out")
		}
	}
}

// applyDataset creates the account's dataset at the first POST and returns the same one ever after.
func applyDataset(i *inspection) []byte {
	g, account := i.g, i.call.ObjectID
	id := g.owned[account]
	if id == "" {
		for dataset, accounts := range g.cfg.datasets {
			if slices.Contains(accounts, account) && (id == "" || dataset < id) {
				id = dataset
			}
		}
	}
	switch {
	case id == "" && i.call.Method == "GET":
		i.refuse(100, 33, "path", "dataset", "the account has no dataset yet")
		return nil
	case id == "":
		id = strconv.Itoa(5_500_000_001 + len(g.owned))
		g.owned[account] = id
		g.cfg.datasets[id] = []string{account}
	}
	if i.call.Method == "POST" {
		return fmt.Appendf(nil, `{"id":%q}`, id)
	}
	name, err := json.Marshal("Dataset of " + account)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, `{"id":%q,"name":%s}`, id, name)
}
