package store

import (
	"slices"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// The wire's words are stored as numbers: their place in these lists, from 1; 0 is none. A list only ever grows at its end.

func kindList() []interaction.Event {
	return []interaction.Event{interaction.EventStarted, interaction.EventFinished, hook.KindNotice}
}

func mediaList() []interaction.MediaType {
	return []interaction.MediaType{interaction.MediaChat, interaction.MediaEmail}
}

func subtypeList() []interaction.Subtype {
	return []interaction.Subtype{
		interaction.SubtypeInboundNew, interaction.SubtypeOutbound, interaction.SubtypeSMS, interaction.SubtypeWhatsApp,
		interaction.SubtypeFacebookPublic, interaction.SubtypeFacebookPrivate, interaction.SubtypeTwitterPublic,
		interaction.SubtypeTwitterPrivate,
	}
}

func stopperList() []hook.Stopper { return []hook.Stopper{hook.ByAgentDesktop, hook.ByWorkflow} }

// encode returns a word's number.
func encode[T comparable](list []T, word T) int64 { return int64(slices.Index(list, word)) + 1 }

// decode returns a number's word, or the zero word for a number that is none.
func decode[T comparable](list []T, number int64) T {
	if number < 1 || number > int64(len(list)) {
		var none T
		return none
	}
	return list[number-1]
}
