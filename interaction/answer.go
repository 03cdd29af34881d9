package interaction

// Answer is what a receiver of ours answers to a POST it has handled. Senders do not interpret it: the HTTP status
// decides.
type Answer struct {
	Status AnswerStatus `json:"status"`
	Data   AnswerData   `json:"data"`
}

// AnswerStatus is the outcome within an Answer; code 0 is success.
type AnswerStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// AnswerData lists the interactions within an Answer.
type AnswerData struct {
	IDs []AnswerID `json:"ids"`
}

// AnswerID names one interaction within an Answer.
type AnswerID struct {
	ID string `json:"id"`
}

// NewAnswer gives the Answer that acknowledges the interactions of these ids.
func NewAnswer(ids ...string) Answer {
	// Never nil: the contract has an array, even an empty one.
	list := make([]AnswerID, 0, len(ids))
	for _, id := range ids {
		list = append(list, AnswerID{ID: id})
	}
	return Answer{Status: AnswerStatus{Code: 0, Message: "OK"}, Data: AnswerData{IDs: list}}
}
