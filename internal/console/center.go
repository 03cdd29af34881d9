package console

import "github.com/hookswitch/hookswitch/internal/hook"

// chooseCenter sends somebody to the contact centre that they most probably want: their own, or the default one.
func (s *Server) chooseCenter(c *call) (answer, error) {
	list := c.centers()
	if len(list) == 0 { // the contact centre of a token may not exist
		return answer{}, hook.ErrNotFound
	}
	chosen := list[0]
	for _, one := range list {
		if one.ID == hook.DefaultContactCenter {
			chosen = one
		}
	}
	return goTo(centerPath(chosen.ID)), nil
}

// switchCenter sends somebody to the contact centre that the form in the header names.
func (s *Server) switchCenter(c *call) (answer, error) {
	return goTo(centerPath(hook.ContactCenterID(c.r.FormValue("center")))), nil
}
