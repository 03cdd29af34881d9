package api

import (
	"context"
	"net/http"

	"github.com/hookswitch/hookswitch/internal/store"
)

// MasterKeyStatus is what is sealed with which master key, as it is shown.
type MasterKeyStatus struct {
	Primary   int64       `json:"primary" doc:"The number of the key that seals."`
	Remaining int64       `json:"remaining" doc:"How many records are not under it yet; they are sealed anew in the background."`
	Keys      []MasterKey `json:"keys" nullable:"false"`
	LookedAt  instant     `json:"lookedAt" doc:"When that was counted: some seconds ago at most."`
	Problem   string      `json:"problem,omitempty" doc:"Why sealing anew fails, or why the keyset's file cannot be read any more; absent where all is well."`
}

// MasterKey is a key of the master keyset, by its number; the key itself is shown nowhere.
type MasterKey struct {
	Number    int64    `json:"number"`
	Held      bool     `json:"held" doc:"Whether the keyset of this node holds it."`
	Records   int64    `json:"records" doc:"How many webhooks and kept answers are sealed with it."`
	UsedSince *instant `json:"usedSince,omitempty" doc:"Absent where nothing was ever sealed with it."`
}

func rowGetMasterKey() row {
	return row{
		id: "getMasterKey", tag: "operation", summary: "Read which master key seals, and how far a rotation is", access: forInstallation,
		about: "For an admin key. The secrets of webhooks are stored sealed under a key of the master keyset, which is kept outside the store. " +
			"After a rotation they are sealed anew in the background.",
		status: http.StatusOK, answer: MasterKeyStatus{},
	}
}

func (s *Server) getMasterKey(context.Context, *request) (*answer, error) {
	return done(http.StatusOK, showMasterKeys(s.store.MasterKeys()))
}

func showMasterKeys(found store.MasterKeys) MasterKeyStatus {
	shown := MasterKeyStatus{
		Primary: int64(found.Primary), Remaining: found.Remaining, Keys: make([]MasterKey, len(found.Keys)),
		LookedAt: instant{found.At.UTC()}, Problem: found.Problem,
	}
	for i, k := range found.Keys {
		shown.Keys[i] = MasterKey{Number: int64(k.Number), Held: k.Held, Records: k.Records}
		if !k.UsedSince.IsZero() {
			shown.Keys[i].UsedSince = &instant{k.UsedSince}
		}
	}
	return shown
}
